//! What is subscribed to, and what is to be.

use std::collections::{HashMap, HashSet};

use redis::cmd;

use crate::connection::{Command, Place};

/// What can be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A channel by its name.
    Channel(String),
    /// All channels that a pattern matches.
    Pattern(String),
    /// A channel of sharded pub/sub.
    Sharded(String),
}

impl Topic {
    /// The channel, or the pattern.
    pub(crate) fn name(&self) -> &str {
        let (Self::Channel(name) | Self::Pattern(name) | Self::Sharded(name)) = self;
        name
    }
}

/// What is wanted, beside what is subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    wanted: HashMap<Topic, Want>,
    subscribed: HashSet<Topic>,
    /// Exactly those that are wanted and not subscribed to, or the other way round.
    due: HashSet<Topic>,
    /// What is being done.
    underway: HashSet<Topic>,
    /// How many have been wanted so far.
    count: u64,
}

#[derive(Debug)]
struct Want {
    /// How often it is wanted: what two want is wanted until both do not any more.
    times: usize,
    /// It was the n-th to be wanted.
    place: u64,
}

/// A topic that is to be subscribed to from now on, or not any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) topic: Topic,
    pub(crate) subscribe: bool,
}

impl Topics {
    pub(crate) fn want(&mut self, topic: Topic) {
        self.count += 1;
        self.wanted.entry(topic.clone()).or_insert(Want { times: 0, place: self.count }).times += 1;
        self.compare(topic);
    }

    pub(crate) fn unwant(&mut self, topic: Topic) {
        let Some(want) = self.wanted.get_mut(&topic) else { return };
        want.times -= 1;
        if want.times == 0 {
            self.wanted.remove(&topic);
            self.compare(topic);
        }
    }

    /// Nothing is subscribed to any more: the connection is another one.
    pub(crate) fn reset(&mut self) {
        self.subscribed.clear();
        self.underway.clear();
        self.due = self.wanted.keys().cloned().collect();
    }

    /// What is to be done next, at most so much; in the order in which the topics were wanted.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Change> {
        let due = self.due(most);
        self.underway = due.iter().map(|change| change.topic.clone()).collect();
        due
    }

    fn due(&self, most: usize) -> Vec<Change> {
        let place = |topic: &Topic| self.wanted.get(topic).map(|want| want.place);
        let mut due: Vec<_> = self.due.iter().map(|topic| (place(topic), topic)).collect();
        due.sort_unstable_by_key(|(place, _)| *place);
        due.truncate(most);
        due.into_iter().map(|(place, topic)| Change { topic: topic.clone(), subscribe: place.is_some() }).collect()
    }

    /// This has been done. Meanwhile it may have become wrong, and is due again then.
    pub(crate) fn done(&mut self, changes: Vec<Change>) {
        self.underway.clear();
        for Change { topic, subscribe } in changes {
            if subscribe {
                self.subscribed.insert(topic.clone());
            } else {
                self.subscribed.remove(&topic);
            }
            self.compare(topic);
        }
    }

    /// Whether it is subscribed to, and nothing is being done about it.
    pub(crate) fn is_subscribed(&self, topic: &Topic) -> bool {
        self.subscribed.contains(topic) && !self.underway.contains(topic)
    }

    fn compare(&mut self, topic: Topic) {
        if self.wanted.contains_key(&topic) == self.subscribed.contains(&topic) {
            self.due.remove(&topic);
        } else {
            self.due.insert(topic);
        }
    }
}

/// The commands that make these changes, each for itself: channels of different shards don't go together.
pub(crate) fn commands(changes: &[Change]) -> Vec<Command> {
    let command = |Change { topic, subscribe }: &Change| {
        let name = match (topic, subscribe) {
            (Topic::Channel(_), true) => "SUBSCRIBE",
            (Topic::Channel(_), false) => "UNSUBSCRIBE",
            (Topic::Pattern(_), true) => "PSUBSCRIBE",
            (Topic::Pattern(_), false) => "PUNSUBSCRIBE",
            (Topic::Sharded(_), true) => "SSUBSCRIBE",
            (Topic::Sharded(_), false) => "SUNSUBSCRIBE",
        };
        let place = match topic {
            Topic::Channel(_) | Topic::Pattern(_) => Place::Home,
            Topic::Sharded(name) => Place::Of(name.clone()),
        };
        let mut command = cmd(name);
        command.arg(topic.name());
        Command { place, command }
    };
    changes.iter().map(command).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> Topic {
        Topic::Channel(name.to_owned())
    }

    #[track_caller]
    fn check(topics: &Topics, due: &[(&str, bool)]) {
        let due: Vec<_> = due.iter().map(|&(name, subscribe)| Change { topic: topic(name), subscribe }).collect();
        assert_eq!(topics.due(10), due);
    }

    fn settle(topics: &mut Topics) {
        let due = topics.take(10);
        topics.done(due);
        check(topics, &[]);
    }

    #[test]
    fn what_is_wanted_is_due_in_its_order_and_once_more_after_a_reset() {
        let mut topics = Topics::default();
        for name in ["b", "c", "a"] {
            topics.want(topic(name));
        }
        let due = [("b", true), ("c", true), ("a", true)];
        check(&topics, &due);
        settle(&mut topics);
        topics.reset();
        check(&topics, &due);
    }

    #[test]
    fn what_two_want_stays_until_both_do_not_any_more() {
        let mut topics = Topics::default();
        topics.want(topic("a"));
        topics.want(topic("a"));
        settle(&mut topics);
        topics.unwant(topic("a"));
        check(&topics, &[]);
        topics.unwant(topic("a"));
        check(&topics, &[("a", false)]);
        settle(&mut topics);
        topics.unwant(topic("a"));
        check(&topics, &[]);
    }

    #[test]
    fn what_comes_and_goes_unseen_is_not_due() {
        let mut topics = Topics::default();
        topics.want(topic("a"));
        topics.unwant(topic("a"));
        check(&topics, &[]);
    }

    #[test]
    fn what_changed_while_it_was_done_is_due_again() {
        let mut topics = Topics::default();
        topics.want(topic("a"));
        let due = topics.take(10);
        topics.unwant(topic("a"));
        topics.done(due);
        check(&topics, &[("a", false)]);
    }
}
