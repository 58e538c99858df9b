// The socket, and the queue of messages that the server has not confirmed yet.

const ANSWER_WITHIN = 5000;

/** How pages connect. `?transports=websocket` in a page's address chooses for it; `auth` is asked at every attempt. */
export function options(auth) {
  const wanted = new URLSearchParams(location.search).get("transports");
  return {
    autoConnect: false,
    // A function, so that every attempt tells the name and rooms of that moment.
    auth: (send) => send(auth()),
    reconnectionDelay: 500,
    reconnectionDelayMax: 4000,
    ...(wanted && { transports: wanted.split(",") }),
  };
}

export class Connection {
  #outbox = [];
  #sending = false;
  #welcomed = false;

  /**
   * The server greets who is let in with the event `welcome`.
   * `told` has a function for each thing that happens: `online`, `offline`, `refused`, `sent`, and for the server's `events`;
   * and `recovered`, where the server offers that.
   */
  constructor(socket, events, told) {
    this.told = told;
    this.socket = socket;
    this.socket.on("welcome", (welcome) => this.#begin(() => told.online(welcome)));
    // Recovered means: the socket is the one it was, and all that it missed has just been told. Nobody is welcomed then.
    this.socket.on("connect", () => { if (this.socket.recovered) this.#begin(told.recovered); });
    this.socket.on("disconnect", (reason) => {
      this.#welcomed = false;
      told.offline(reason);
      // The server does not end connections by itself, except when a name was taken at the same moment.
      if (reason === "io server disconnect") told.refused("this name was just taken");
    });
    this.socket.on("connect_error", (error) => {
      // Active means: the network failed and the client goes on trying. Otherwise the server said no.
      if (this.socket.active) told.offline(error.message);
      else told.refused(error.message);
    });
    for (const event of events) this.socket.on(event, told[event]);
  }

  get online() {
    return this.#welcomed;
  }

  open() {
    this.socket.connect();
  }

  /** Leaves; resolves when the server can know, unless others still use the same connection. */
  async close() {
    this.#outbox = [];
    const { engine } = this.socket.io;
    this.socket.disconnect();
    // An upgrade that is under way is finished first.
    const closed = engine?.readyState === "closing" && new Promise((resolve) => engine.once("close", resolve));
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 1000))]);
  }

  /** Sends a message now or when the connection is back. It is sent until the server has answered; the server knows it by its id. */
  say(draft) {
    this.#outbox.push(draft);
    this.#flush();
  }

  /** Asks the server for something. Resolves with its answer, `{ error }` included. */
  async ask(event, argument) {
    if (!this.socket.connected) return { error: "there is no connection at the moment" };
    try {
      return await this.socket.timeout(ANSWER_WITHIN).emitWithAck(event, argument);
    } catch {
      return { error: "the server did not answer" };
    }
  }

  /** Tells something that needs no answer. */
  tell(event, ...args) {
    if (this.socket.connected) this.socket.emit(event, ...args);
  }

  /** Tells something that is worth nothing later: it may get lost. */
  mention(event, ...args) {
    if (this.socket.connected) this.socket.volatile.emit(event, ...args);
  }

  #begin(tell) {
    tell();
    this.#welcomed = true;
    this.#flush();
  }

  async #flush() {
    if (this.#sending) return;
    this.#sending = true;
    // One at a time keeps the order, whatever gets lost in between.
    while (this.#welcomed && this.#outbox.length > 0) {
      const draft = this.#outbox[0];
      try {
        const answer = await this.socket.timeout(ANSWER_WITHIN).emitWithAck("say", draft);
        if (this.#outbox[0] === draft) this.#outbox.shift();
        this.told.sent(draft, answer);
      } catch {
        // No answer: tried again at once if still connected, else at the next welcome.
      }
    }
    this.#sending = false;
  }
}
