use std::sync::Arc;

use tokio::sync::Semaphore;

/// Handlers wait at it until the test lets them pass. Given to them as `State<Gate>`.
#[derive(Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Waits until the test lets this one pass.
    pub async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    /// Lets so many pass.
    pub fn open(&self, count: usize) {
        self.0.add_permits(count);
    }
}
