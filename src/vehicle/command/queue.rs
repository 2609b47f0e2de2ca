//! The commands that wait for one car: pure, so that order, spacing and age can be tested without a runtime.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::gate::Admission;
use super::{ChargeScheduleChange, Command};
use crate::vehicle::intent::CommandRequest;

/// Most commands that wait for one car. With ten seconds between writes more would only grow old.
pub const CAPACITY: usize = 16;

/// A command that passed the gate and waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The request.
    pub request: CommandRequest,
    /// What the gate said about it.
    pub admission: Admission,
}

/// Too many commands wait; the one that was to join comes back.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueFull(pub Box<Waiting>);

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Write this command; it has left the queue.
    Write(Box<Waiting>),
    /// Look again at this time at the latest.
    WaitUntil(Timestamp),
    /// Nothing waits.
    Empty,
}

/// The commands that wait for one car, oldest first.
#[derive(Debug, Default)]
pub struct Queue {
    waiting: VecDeque<Waiting>,
}

impl Queue {
    /// Adds a command and returns those it replaces: waiting ones of the same effect group, of which nothing would be
    /// left after it.
    pub fn push(&mut self, newer: Waiting) -> Result<Vec<Waiting>, QueueFull> {
        let (superseded, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|older| replaces(&newer.request.command, &older.request.command));
        self.waiting = kept;
        if self.waiting.len() >= CAPACITY {
            return Err(QueueFull(Box::new(newer)));
        }
        self.waiting.push_back(newer);
        Ok(superseded.into())
    }

    /// Takes out the commands that have become too old.
    pub fn expired(&mut self, now: Timestamp) -> Vec<Waiting> {
        let (expired, kept) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| now >= waiting.admission.expires);
        self.waiting = kept;
        expired.into()
    }

    /// Decides what to do now, with `spacing` between one write and the next. Ask [`Queue::expired`] first.
    pub fn next(&mut self, now: Timestamp, last_write: Option<Timestamp>, spacing: Duration) -> Next {
        let Some(first_expiry) = self.waiting.iter().map(|waiting| waiting.admission.expires).min() else {
            return Next::Empty;
        };
        // A last write in the future means that the clock was set back; one spacing from now is as far as that counts.
        let free = last_write.map_or(now, |last| {
            let spacing = SignedDuration::try_from(spacing).unwrap_or(SignedDuration::MAX);
            last.min(now).checked_add(spacing).unwrap_or(Timestamp::MAX)
        });
        if now < free {
            return Next::WaitUntil(free.min(first_expiry));
        }
        self.waiting
            .pop_front()
            .map_or(Next::Empty, |waiting| Next::Write(Box::new(waiting)))
    }

    /// Takes everything out, for when the bridge stops or the car is gone.
    pub fn drain(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting).into()
    }

    /// The requests that wait, oldest first.
    pub fn requests(&self) -> impl Iterator<Item = &CommandRequest> {
        self.waiting.iter().map(|waiting| &waiting.request)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Whether nothing of `older` would be left once `newer` is done. Changes of the charging plan add up, as when start
/// and end are set one after the other; every other group knows the last word only.
fn replaces(newer: &Command, older: &Command) -> bool {
    newer.effect_group() == older.effect_group()
        && !leaves_other_comfort(newer, older)
        && match (plan_change(newer), plan_change(older)) {
            (Some(newer), Some(older)) => covers(&newer, &older),
            _ => true,
        }
}

/// A seat whose heating is switched off may well be ventilated, and the other way round.
fn leaves_other_comfort(newer: &Command, older: &Command) -> bool {
    matches!(
        (newer, older),
        (Command::SeatHeat(_, 0), Command::SeatVentilation(..))
            | (Command::SeatVentilation(_, 0), Command::SeatHeat(..))
    )
}

fn plan_change(command: &Command) -> Option<ChargeScheduleChange> {
    match command {
        Command::ChargeSchedule(change) => Some(change.clone()),
        Command::ChargeLimit { percent } | Command::ChargeLimitNative { percent } => Some(ChargeScheduleChange {
            percent: Some(*percent),
            ..ChargeScheduleChange::default()
        }),
        _ => None,
    }
}

fn covers(newer: &ChargeScheduleChange, older: &ChargeScheduleChange) -> bool {
    let parts = |change: &ChargeScheduleChange| {
        [
            change.enabled.is_some(),
            change.percent.is_some(),
            change.start.is_some(),
            change.end.is_some(),
            change.cycles.is_some(),
            change.circulation.is_some(),
            change.recharge.is_some(),
        ]
    };
    parts(newer)
        .iter()
        .zip(parts(older))
        .all(|(newer, older)| *newer || !older)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vehicle::Vin;
    use crate::vehicle::command::{MediaOperation, Seat};
    use crate::vehicle::intent::Origin;

    const SPACING: Duration = Duration::from_secs(10);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn waiting(command: Command, expires: i64) -> Waiting {
        Waiting {
            request: CommandRequest {
                ticket: 1,
                vin: Vin::parse("LFZTEST0000000001").unwrap(),
                command,
                id: None,
                origin: Origin::Mqtt,
                received: at(0),
                expires: None,
            },
            admission: Admission { expires: at(expires) },
        }
    }

    fn commands(waiting: Vec<Waiting>) -> Vec<Command> {
        waiting.into_iter().map(|waiting| waiting.request.command).collect()
    }

    fn change(change: ChargeScheduleChange) -> Waiting {
        waiting(Command::ChargeSchedule(change), 180)
    }

    #[test]
    fn commands_are_written_in_order_with_spacing_from_write_to_write() {
        let mut queue = Queue::default();
        assert_eq!(queue.next(at(0), None, SPACING), Next::Empty);
        queue.push(waiting(Command::FindCar, 180)).unwrap();
        queue.push(waiting(Command::ChargeStop, 180)).unwrap();
        assert_eq!(queue.len(), 2);
        let first = Next::Write(Box::new(waiting(Command::FindCar, 180)));
        assert_eq!(queue.next(at(0), None, SPACING), first);
        assert_eq!(queue.next(at(3), Some(at(0)), SPACING), Next::WaitUntil(at(10)));
        let second = Next::Write(Box::new(waiting(Command::ChargeStop, 180)));
        assert_eq!(queue.next(at(10), Some(at(0)), SPACING), second);
        assert!(queue.is_empty());
    }

    #[test]
    fn the_wait_ends_early_for_a_command_that_expires() {
        let mut queue = Queue::default();
        queue.push(waiting(Command::FindCar, 180)).unwrap();
        queue.push(waiting(Command::Unlock, 5)).unwrap();
        assert_eq!(queue.next(at(1), Some(at(0)), SPACING), Next::WaitUntil(at(5)));
        assert!(queue.expired(at(4)).is_empty());
        assert_eq!(commands(queue.expired(at(5))), [Command::Unlock]);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn a_clock_that_was_set_back_delays_by_one_spacing_at_most() {
        let mut queue = Queue::default();
        queue.push(waiting(Command::FindCar, 180)).unwrap();
        assert_eq!(queue.next(at(0), Some(at(3600)), SPACING), Next::WaitUntil(at(10)));
        assert_eq!(queue.next(at(0), Some(at(0)), Duration::MAX), Next::WaitUntil(at(180)));
    }

    #[test]
    fn a_newer_command_of_the_same_group_replaces_the_waiting_one_only() {
        let mut queue = Queue::default();
        queue.push(waiting(Command::Lock, 180)).unwrap();
        queue.push(waiting(Command::SeatHeat(Seat::Driver, 1), 180)).unwrap();
        queue.push(waiting(Command::SeatHeat(Seat::Passenger, 1), 180)).unwrap();
        let superseded = queue.push(waiting(Command::Unlock, 30)).unwrap();
        assert_eq!(commands(superseded), [Command::Lock]);
        let superseded = queue
            .push(waiting(Command::SeatVentilation(Seat::Driver, 2), 180))
            .unwrap();
        assert_eq!(commands(superseded), [Command::SeatHeat(Seat::Driver, 1)]);
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn switching_one_comfort_of_a_seat_off_leaves_the_other_that_waits() {
        let heat = |level| Command::SeatHeat(Seat::Driver, level);
        let ventilate = |level| Command::SeatVentilation(Seat::Driver, level);
        for (waits, off) in [(heat(2), ventilate(0)), (ventilate(2), heat(0))] {
            let mut queue = Queue::default();
            queue.push(waiting(waits, 180)).unwrap();
            assert_eq!(queue.push(waiting(off, 180)).unwrap(), []);
            assert_eq!(queue.len(), 2);
        }
        let mut queue = Queue::default();
        queue.push(waiting(heat(2), 180)).unwrap();
        assert_eq!(commands(queue.push(waiting(heat(0), 180)).unwrap()), [heat(2)]);
    }

    #[test]
    fn changes_of_the_charging_plan_add_up_until_one_covers_the_others() {
        let mut queue = Queue::default();
        let start = ChargeScheduleChange {
            start: Some("23:00".to_owned()),
            ..ChargeScheduleChange::default()
        };
        let both = ChargeScheduleChange {
            percent: Some(90),
            ..start.clone()
        };
        queue.push(waiting(Command::ChargeLimit { percent: 70 }, 180)).unwrap();
        assert_eq!(queue.push(change(start.clone())).unwrap(), []);
        let superseded = queue.push(waiting(Command::ChargeLimit { percent: 80 }, 180)).unwrap();
        assert_eq!(commands(superseded), [Command::ChargeLimit { percent: 70 }]);
        assert_eq!(queue.push(change(both)).unwrap().len(), 2);
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_queue_is_bounded_and_can_be_emptied() {
        let mut queue = Queue::default();
        let distinct = |number: usize| {
            // Changes of three parts each, none of which covers another.
            let part = |bit: usize| (number >> bit) & 1 == 1;
            ChargeScheduleChange {
                enabled: part(0).then_some(true),
                percent: part(1).then_some(80),
                start: part(2).then(|| "23:00".to_owned()),
                end: part(3).then(|| "06:00".to_owned()),
                cycles: part(4).then(|| "1,1,1,1,1,1,1".to_owned()),
                circulation: part(5).then_some(1),
                recharge: part(6).then_some(1),
            }
        };
        let triples = (0usize..128).filter(|number| number.count_ones() == 3);
        for number in triples.take(CAPACITY) {
            assert_eq!(queue.push(change(distinct(number))).unwrap(), []);
        }
        let late = waiting(Command::Music(MediaOperation::Next), 180);
        assert_eq!(queue.push(late.clone()), Err(QueueFull(Box::new(late))));
        assert_eq!(queue.drain().len(), CAPACITY);
        assert!(queue.is_empty());
    }
}
