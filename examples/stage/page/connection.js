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
   * `told` has a function for each thing that happens: `online`, `offline`, `refused`, `sent`, and for the server's `events`.
   */
  constructor(socket, events, told) {
    this.told = told;
    this.socket = socket;
    this.socket.on("welcome", (welcome) => {
      told.online(welcome);
      this.#welcomed = true;
      this.#flush();
    });
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

  close() {
    this.#outbox = [];
    this.socket.disconnect();
  }

  /** Sends a message now or when the connection is back. It is sent until the server has answered; the server knows it by its id. */
  say(draft) {
    this.#outbox.push(draft);
    this.#flush();
  }

  /** Asks the server for something. Resolves with its answer, `{ error }` included. */
  async ask(event, argument) {
    if (!this.#welcomed) return { error: "there is no connection at the moment" };
    try {
      return await this.socket.timeout(ANSWER_WITHIN).emitWithAck(event, argument);
    } catch {
      return { error: "the server did not answer" };
    }
  }

  /** Tells something that is worth nothing later. */
  tell(event, ...args) {
    if (this.#welcomed) this.socket.volatile.emit(event, ...args);
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
