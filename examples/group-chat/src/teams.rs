//! The teams there are, and what opens each.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use stage::Secret;

use crate::Refusal;

/// The namespaces that clients may ask for: `/team-` and a team's name.
pub(crate) const PATTERN: &str = "^/team-[a-z0-9-]{2,24}$";
const PREFIX: &str = "/team-";

const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=24;
/// Beyond this many, a team that nobody is connected to makes room for a new one.
pub(crate) const TEAMS: usize = 200;

/// The teams, by name.
#[derive(Debug, Default)]
pub(crate) struct Teams(Mutex<HashMap<String, Team>>);

#[derive(Debug)]
struct Team {
    token: Secret,
    /// How many sockets are in its namespace.
    sockets: usize,
}

/// A new team, for who has founded it and may pass the token on.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Founded {
    pub(crate) team: String,
    pub(crate) token: String,
}

impl Teams {
    pub(crate) fn found(&self, name: &str) -> Result<Founded, Refusal> {
        let team = name.trim().to_lowercase().replace(' ', "-");
        let is_plain = team.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_plain || !NAME_CHARS.contains(&team.len()) {
            return Err(Refusal::TeamName);
        }
        let mut teams = self.teams();
        if teams.contains_key(&team) {
            return Err(Refusal::TeamTaken(team));
        }
        if teams.len() >= TEAMS {
            let empty = teams.iter().find(|(_, team)| team.sockets == 0).map(|(name, _)| name.clone());
            teams.remove(&empty.ok_or(Refusal::TooManyTeams)?);
        }
        let token = Secret::random();
        let founded = Founded { team: team.clone(), token: token.reveal().to_owned() };
        teams.insert(team, Team { token, sockets: 0 });
        Ok(founded)
    }

    /// Whether this token opens the team of this namespace.
    pub(crate) fn admits(&self, namespace: &str, token: &str) -> bool {
        self.teams().get(team_of(namespace)).is_some_and(|team| team.token.is(token))
    }

    pub(crate) fn enter(&self, namespace: &str) {
        if let Some(team) = self.teams().get_mut(team_of(namespace)) {
            team.sockets += 1;
        }
    }

    pub(crate) fn exit(&self, namespace: &str) {
        if let Some(team) = self.teams().get_mut(team_of(namespace)) {
            team.sockets = team.sockets.saturating_sub(1);
        }
    }

    fn teams(&self) -> MutexGuard<'_, HashMap<String, Team>> {
        // A panic in one handler must not end the chat for all.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn team_of(namespace: &str) -> &str {
    namespace.strip_prefix(PREFIX).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_opened_by_its_own_token_only() {
        let teams = Teams::default();
        let (river, sea) = (teams.found("River Watch").unwrap(), teams.found("sea").unwrap());
        assert_eq!(river.team, "river-watch");
        assert!(teams.admits("/team-river-watch", &river.token));
        assert!(!teams.admits("/team-river-watch", &sea.token));
        assert!(!teams.admits("/team-nobody", ""));
    }

    #[test]
    fn a_team_has_a_name_of_its_own_that_fits_an_address() {
        let teams = Teams::default();
        teams.found("sea").unwrap();
        assert_eq!(teams.found(" Sea "), Err(Refusal::TeamTaken("sea".into())));
        for name in ["x", "größe", "a/b", "", &"x".repeat(25)] {
            assert_eq!(teams.found(name), Err(Refusal::TeamName), "{name:?}");
        }
    }

    #[test]
    fn of_too_many_teams_one_goes_that_nobody_is_in() {
        let teams = Teams::default();
        for number in 0..TEAMS {
            let Founded { team, .. } = teams.found(&format!("team-{number}")).unwrap();
            teams.enter(&format!("/team-{team}"));
        }
        assert_eq!(teams.found("one-more"), Err(Refusal::TooManyTeams));
        teams.exit("/team-team-7");
        let Founded { token, .. } = teams.found("one-more").unwrap();
        assert!(teams.admits("/team-one-more", &token));
        assert!(!teams.teams().contains_key("team-7"));
    }
}
