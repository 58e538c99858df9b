// A team as this page knows it: its socket, its groups and what is said in them. One namespace, one team.

import { Connection, options } from "/stage/connection.js";
import { Conversations } from "/stage/conversations.js";

export class Team {
  conversations = new Conversations();
  /** The members of each group, whether we are in it or not. */
  groups = new Map();
  /** `connecting`, `online`, `offline`, or `refused` with a reason in `why`. */
  state = "connecting";

  /** `changed(team)` is called for all that is to be drawn; `message(team, conversation)` when something has been said. */
  constructor({ team, token, groups = [] }, identity, { changed, message }) {
    Object.assign(this, { name: team, token });
    for (const group of groups) this.conversations.with({ room: group });
    const auth = () => ({ token, name: identity.name, groups: this.joined() });
    // The manager is shared: all teams, and the founding of new ones, use one connection.
    const socket = window.io(`/team-${team}`, options(auth));
    this.connection = new Connection(socket, ["group", "message", "typing"], {
      online: (welcome) => {
        this.state = "online";
        this.groups = new Map(Object.entries(welcome.groups));
        const joined = new Set(welcome.joined);
        for (const gone of this.joined().filter((group) => !joined.has(group))) this.conversations.remove(`#${gone}`);
        for (const group of joined) this.conversations.with({ room: group });
        changed(this);
      },
      offline: () => {
        this.state = "offline";
        changed(this);
      },
      refused: (why) => {
        Object.assign(this, { state: "refused", why });
        changed(this);
      },
      sent: (draft, answer) => {
        const conversation = this.conversations.with(draft.to);
        const entry = conversation.find(draft.id, identity.name);
        if (!entry) return;
        if (answer.error) Object.assign(entry, { state: "refused", error: answer.error });
        else conversation.add({ ...answer, state: "sent" });
        changed(this);
      },
      group: ({ group, members }) => {
        const before = this.groups.get(group) ?? [];
        if (members.length > 0) this.groups.set(group, members);
        else this.groups.delete(group);
        const conversation = this.conversations.get(`#${group}`);
        for (const name of members) if (!before.includes(name) && name !== identity.name) conversation?.notice(`${name} joined`);
        for (const name of before.filter((name) => !members.includes(name))) {
          conversation?.notice(`${name} left`);
          conversation?.types(name, false, () => {});
        }
        changed(this);
      },
      message: (said) => {
        const conversation = this.conversations.with(said.to);
        conversation.types(said.from, false, () => {});
        // Sent twice when an answer was lost; then it is known.
        if (conversation.add(said.from === identity.name ? { ...said, state: "sent" } : said)) message(this, conversation);
      },
      typing: (group, name, active) => {
        if (name !== identity.name) this.conversations.get(`#${group}`)?.types(name, active, () => changed(this));
      },
    });
    this.connection.open();
  }

  /** The names of the groups we are in. */
  joined() {
    return this.conversations.rooms().map((conversation) => conversation.title);
  }

  /** Joins a group, and returns its conversation or the server's refusal. */
  async join(name) {
    const group = await this.connection.ask("join", name);
    return group.error ? group : this.conversations.with({ room: group });
  }

  /** Leaves a group. Returns the server's refusal, if it refuses. */
  async leave(conversation) {
    const answer = await this.connection.ask("leave", conversation.title);
    if (!answer.error) this.conversations.remove(conversation.key);
    return answer;
  }

  say(draft) {
    this.connection.say(draft);
  }

  /** An address that lets others in. */
  link() {
    // After the #, so that it is never sent to a server.
    return `${location.origin}${location.pathname}#${new URLSearchParams({ team: this.name, token: this.token })}`;
  }

  /** What to remember of it. */
  remember() {
    return { team: this.name, token: this.token, groups: this.joined() };
  }

  close() {
    return this.connection.close();
  }
}
