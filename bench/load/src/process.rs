use std::{collections::BTreeSet, ffi::OsString, fs, time::Duration};

use anyhow::{Context as _, Result};

/// A process of this machine, seen from outside through `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// What the scheduler gave all threads that live, to the nanosecond, where `stat` counts ticks.
    pub(crate) fn cpu(self) -> Result<Cpu> {
        let mut cpu = Cpu { ticks: self.ticks()?, ..Cpu::default() };
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).context("the server has ended")? {
            let task = task?;
            // A thread may end between the listing and the reading.
            let Ok(schedstat) = fs::read_to_string(task.path().join("schedstat")) else { continue };
            cpu.add(&schedstat)?;
            cpu.threads.insert(task.file_name());
        }
        Ok(cpu)
    }

    /// The CPU time of all threads that ever lived, in ticks.
    fn ticks(self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).context("the server has ended")?;
        // The program's name, in brackets, may hold spaces; times in user and in kernel mode are fields 14 and 15.
        let (_, fields) = stat.rsplit_once(')').context("no name in the stat of the process")?;
        let times = fields.split_ascii_whitespace().skip(11).take(2);
        Ok(times.map(|ticks| Ok(TICK * ticks.parse::<u32>()?)).collect::<Result<Vec<_>>>()?.iter().sum())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).context("the server has ended")?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(kilobytes.context("no VmRSS in the status of the process")?.trim().parse::<u64>()? * 1024)
    }
}

/// The unit of `stat`, which is the same on all machines.
const TICK: Duration = Duration::from_millis(10);

/// Time that threads had, and time that they could have run but others had the core: with much of that, the figures are
/// those of a busy machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) ran: Duration,
    pub(crate) waited: Duration,
    ticks: Duration,
    threads: BTreeSet<OsString>,
}

impl Cpu {
    /// What the calling thread had: all of the load program, which has no other.
    pub(crate) fn of_this_thread() -> Result<Self> {
        let mut cpu = Self::default();
        cpu.add(&fs::read_to_string("/proc/thread-self/schedstat")?)?;
        Ok(cpu)
    }

    fn add(&mut self, schedstat: &str) -> Result<()> {
        let mut nanos = schedstat.split(' ').map(|field| field.parse().map(Duration::from_nanos));
        self.ran += nanos.next().context("schedstat is empty")??;
        self.waited += nanos.next().context("schedstat is short")??;
        Ok(())
    }

    /// What came after `start`.
    pub(crate) fn since(mut self, start: &Self) -> Self {
        // The kernel's list of tasks has lost the time of a thread that has ended, its ticks have not.
        self.ran = if start.threads.is_subset(&self.threads) {
            self.ran.saturating_sub(start.ran)
        } else {
            self.ticks.saturating_sub(start.ticks)
        };
        self.waited = self.waited.saturating_sub(start.waited);
        self
    }
}

/// What the kernel holds for all sockets of this machine, both ends of every connection: objects in use of the slab
/// allocator (sockets, inodes, epoll's entries), and pages of TCP's buffers. None where it does not tell, as to those who
/// are not root.
pub(crate) fn kernel_memory() -> Option<u64> {
    // A line is a cache's name, its objects in use, all its objects and the size of one.
    let slabs = fs::read_to_string("/proc/slabinfo").ok()?;
    let in_use = slabs.lines().skip(2).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
        let (Some(Ok(objects)), _, Some(Ok(size))) = (fields.next(), fields.next(), fields.next()) else { return None };
        Some(objects * size)
    });
    let sockstat = fs::read_to_string("/proc/net/sockstat").ok()?;
    let (_, pages) = sockstat.lines().find_map(|line| line.strip_prefix("TCP:")?.rsplit_once(" mem "))?;
    Some(in_use.sum::<u64>() + pages.trim().parse::<u64>().ok()? * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ended_is_known_by_its_ticks() {
        let of = |threads: &[&str], ran, ticks| Cpu {
            ran: Duration::from_millis(ran),
            ticks: Duration::from_millis(ticks),
            threads: threads.iter().map(OsString::from).collect(),
            ..Cpu::default()
        };
        let start = of(&["1", "2"], 100, 110);
        assert_eq!(of(&["1", "2", "3"], 155, 170).since(&start).ran, Duration::from_millis(55));
        assert_eq!(of(&["1", "3"], 105, 170).since(&start).ran, Duration::from_millis(60));
    }

    #[test]
    fn work_shows_in_the_cpu_time_and_memory_in_the_weight() {
        let process = Process::new(std::process::id());
        let before = Cpu::of_this_thread().unwrap();
        let kept: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let spent = Cpu::of_this_thread().unwrap().since(&before).ran;
        assert!(spent > Duration::from_micros(100), "{spent:?}");
        let cpu = process.cpu().unwrap();
        assert!(cpu.ran >= spent && cpu.ticks + 10 * TICK >= spent, "{cpu:?}");
        assert!(process.resident().unwrap() >= kept.len() as u64);
    }
}
