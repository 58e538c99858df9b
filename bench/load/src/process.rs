use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};

/// A process of this machine, seen from outside through `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process {
    pid: u32,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self { pid }
    }

    /// What the scheduler gave all threads that live, to the nanosecond, where `stat` counts ticks of 10 ms.
    pub(crate) fn cpu(self) -> Result<Cpu> {
        let mut cpu = Cpu::default();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).context("the server has ended")? {
            // A thread may end between the listing and the reading.
            let Ok(schedstat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            cpu.add(&schedstat)?;
        }
        Ok(cpu)
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).context("the server has ended")?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        Ok(kilobytes.context("no VmRSS in the status of the process")?.trim().parse::<u64>()? * 1024)
    }
}

/// Time that threads had, and time that they could have run but others had the core: with much of that, the figures are
/// those of a busy machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) ran: Duration,
    pub(crate) waited: Duration,
    threads: usize,
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
        self.threads += 1;
        Ok(())
    }

    /// What came after `start`.
    ///
    /// # Errors
    /// If a thread has ended meanwhile: the kernel's list of tasks has lost its time.
    pub(crate) fn since(self, start: Self) -> Result<Self> {
        ensure!(self.threads >= start.threads, "a thread ended within the measured time, and its CPU time is lost");
        let ran = self.ran.saturating_sub(start.ran);
        Ok(Self { ran, waited: self.waited.saturating_sub(start.waited), threads: self.threads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ended_is_an_error() {
        let busy = Cpu { threads: 2, ..Cpu::default() };
        assert!(Cpu { threads: 1, ..busy }.since(busy).is_err());
        assert!(Cpu { threads: 3, ..busy }.since(busy).is_ok());
    }

    #[test]
    fn work_shows_in_the_cpu_time_and_memory_in_the_weight() {
        let process = Process::new(std::process::id());
        let before = Cpu::of_this_thread().unwrap();
        let kept: Vec<u8> = (0..20_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let spent = Cpu::of_this_thread().unwrap().since(before).unwrap().ran;
        assert!(spent > Duration::from_micros(100), "{spent:?}");
        assert!(process.cpu().unwrap().ran >= spent);
        assert!(process.resident().unwrap() >= kept.len() as u64);
    }
}
