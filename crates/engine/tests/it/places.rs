#[test]
fn who_waits_for_the_application_has_a_place() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let config = EngineConfig::default().max_connections(1).allow_request(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        std::future::pending()
    });
    let mut served = 0;
    for flavour in Flavour::ALL {
        let server = Server::start(flavour, config.clone());
        let waiting = Request::get(POLLING).send(server.address);
        served += 1;
        eventually("the application to be asked", || asked.load(Ordering::Relaxed) == served);
        check_full(&server);
        drop(waiting);
        eventually("the place to be free", || {
            let waiting = Request::get(POLLING).send(server.address);
            waiting.0.set_read_timeout(Some(ms(50))).unwrap();
            waiting.0.peek(&mut [0]).is_err()
        });
