use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, cmd};
use tokio::time::{sleep, timeout};

/// A `redis-server` of its own for one test, on a free port; killed when dropped.
pub(crate) struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// One with more arguments, such as `["--requirepass", "secret"]`.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        // Somebody else may take the port before Redis does.
        for _ in 0..5 {
            let port = free_port();
            let mut server = Self { port, child: spawn(port, &arguments), arguments: arguments.clone() };
            if server.is_up().await {
                return server;
            }
        }
        panic!("redis-server does not start with {arguments:?}");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn address(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill -{signal}");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, on its port.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.arguments);
        assert!(self.is_up().await, "redis-server does not start again");
    }

    /// Runs a command by hand.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let (name, arguments) = command.split_first().unwrap();
        cmd(name).arg(arguments).query_async(&mut self.connection().await).await.unwrap()
    }

    /// Publishes bytes by hand, and says how many connections heard it.
    pub(crate) async fn publish(&self, command: &str, channel: &str, bytes: &[u8]) -> usize {
        cmd(command).arg(channel).arg(bytes).query_async(&mut self.connection().await).await.unwrap()
    }

    async fn connection(&self) -> MultiplexedConnection {
        Client::open(self.address()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Three masters of one Redis Cluster, each with a third of the slots.
    pub(crate) async fn cluster() -> [Self; 3] {
        let (one, two, three) = tokio::join!(Self::master(0), Self::master(1), Self::master(2));
        for node in [&two, &three] {
            let () = one.run(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string(), &node.bus_port()]).await;
        }
        let nodes = [one, two, three];
        for node in &nodes {
            let mut is_ok = false;
            for _ in 0..1_000 {
                let info: String = node.run(&["CLUSTER", "INFO"]).await;
                is_ok = info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3");
                if is_ok {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
            assert!(is_ok, "the Redis Cluster does not come together");
        }
        nodes
    }

    async fn master(number: usize) -> Self {
        let bus_port = free_port().to_string();
        let configuration =
            format!("{}/redis-nodes-{}-{bus_port}.conf", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        let _ = std::fs::remove_file(&configuration);
        let node = Self::with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            &configuration,
            "--cluster-port",
            &bus_port,
            "--cluster-node-timeout",
            "2000",
        ])
        .await;
        let () = node.run(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await;
        let [first, last] = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]][number];
        let () = node.run(&["CLUSTER", "ADDSLOTSRANGE", first, last]).await;
        node
    }

    fn bus_port(&self) -> String {
        let at = self.arguments.iter().position(|argument| argument == "--cluster-port").unwrap();
        self.arguments[at + 1].clone()
    }

    async fn is_up(&mut self) -> bool {
        for _ in 0..500 {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.answers().await {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }

    /// Whether it answers at all: it may ask for a password.
    async fn answers(&self) -> bool {
        let client = Client::open(self.address()).unwrap();
        let connecting = timeout(Duration::from_secs(1), client.get_multiplexed_async_connection());
        let Ok(Ok(mut connection)) = connecting.await else { return false };
        match cmd("PING").query_async::<String>(&mut connection).await {
            Ok(_) => true,
            Err(error) => error.code() == Some("NOAUTH"),
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, arguments: &[String]) -> Child {
    let port = port.to_string();
    let fixed = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--protected-mode", "no"];
    let spawned = Command::new("redis-server").args(fixed).args(arguments).stdout(Stdio::null()).spawn();
    spawned.unwrap_or_else(|error| match error.kind() {
        ErrorKind::NotFound => {
            panic!("these tests need `redis-server` 7 on the PATH: install the package redis-server")
        }
        _ => panic!("redis-server can't be started: {error}"),
    })
}
