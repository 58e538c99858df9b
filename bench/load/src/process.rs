use std::{fs, time::Duration};

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

    pub(crate) fn own() -> Self {
        Self::new(std::process::id())
    }

    /// What the scheduler gave all threads that live, to the nanosecond, where `stat` counts ticks of 10 ms.
    pub(crate) fn cpu(self) -> Result<Cpu> {
        let mut cpu = Cpu::default();
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).context("the server has ended")? {
            // A thread may end between the listing and the reading.
            let Ok(schedstat) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            let mut nanos = schedstat.split(' ').map(|field| field.parse().map(Duration::from_nanos));
            cpu.ran += nanos.next().context("schedstat is empty")??;
            cpu.waited += nanos.next().context("schedstat is short")??;
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
}

impl Cpu {
    pub(crate) fn since(self, start: Self) -> Self {
        Self { ran: self.ran.saturating_sub(start.ran), waited: self.waited.saturating_sub(start.waited) }
    }
}
