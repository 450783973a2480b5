//! From wall-clock times to instants: the skipped and the repeated hours of a zone, by cronie's
//! rule. Never goes backwards: what it returns is later than what it was asked about.
//!
//! A zone is asked one question only, its offset at an instant. What chrono makes of a wall-clock
//! time is not used: it calls the last second before a repeated hour ambiguous and does not keep
//! the order of the two answers. It is assumed that a zone changes its offset at most once in two
//! days; the shortest distance in the whole zone database is four days (Freetown, 1939).

use chrono::{DateTime, NaiveDateTime, Offset, TimeDelta, TimeZone, Utc};

use super::days::Answers;
use super::vixie::{Cron, Pace};

/// No offset is larger than this, so it bounds how far a wall clock and UTC are apart, how long a
/// gap is and how long a repeat lasts.
const DAY: TimeDelta = TimeDelta::days(1);

/// The smallest step of a clock; turns "strictly after" into "at or after".
const TICK: TimeDelta = TimeDelta::nanoseconds(1);

/// How many skipped hours in a row a job that follows the clock may name before it counts as never
/// running; one a year is the worst there is.
const GAPS_MAX: usize = 64;

/// An instant in a zone, looked at once for all the schedules that are asked about it.
#[derive(Debug, Clone)]
pub struct Moment<'z, Z> {
    after: DateTime<Utc>,
    zone: &'z Z,
    calm: Option<Calm>,
    answers: Answers,
}

/// No change of the clock within a day on either side, which is so on all but a few days of a year.
#[derive(Debug, Clone, Copy)]
struct Calm {
    /// Seconds east of UTC.
    offset: i32,
    wall: NaiveDateTime,
    until: DateTime<Utc>,
}

impl<'z, Z: TimeZone> Moment<'z, Z> {
    /// Asks `zone` what its clocks do around `after`.
    pub fn new(after: DateTime<Utc>, zone: &'z Z) -> Self {
        Moment { after, zone, calm: calm(after, &Clock { zone }), answers: Answers::default() }
    }

    /// The instant itself.
    #[must_use]
    pub fn after(&self) -> DateTime<Utc> {
        self.after
    }

    /// The first time `cron` fires strictly after this moment on the clocks of its zone.
    pub(super) fn next_of(&self, cron: &Cron) -> Option<DateTime<Utc>> {
        let clock = Clock { zone: self.zone };
        let next = match (self.calm, cron.pace()) {
            (Some(calm), _) => {
                let next = cron.next_wall(calm.wall, &self.answers)?;
                let instant = instant_at(next, calm.offset)?;
                if instant <= calm.until {
                    return Some(instant);
                }
                next
            }
            (None, Pace::FixedTime) => {
                cron.next_wall(clock.reached_by(self.after)?, &self.answers)?
            }
            (None, Pace::FollowsClock) => return next_following(cron, self.after, &clock),
        };
        match cron.pace() {
            Pace::FixedTime => clock.first_reaching(next, self.after),
            Pace::FollowsClock => first_shown(cron, next, self.after, &clock),
        }
    }
}

fn calm<Z: TimeZone>(after: DateTime<Utc>, clock: &Clock<'_, Z>) -> Option<Calm> {
    let until = after.checked_add_signed(DAY)?;
    let offset = clock.offset(after.checked_sub_signed(DAY)?);
    match offset == clock.offset(until) {
        true => Some(Calm { offset, wall: wall_at(after, offset)?, until }),
        false => None,
    }
}

/// The next matching time of a job that follows the clock, near a change of that clock: when it is
/// about to be set back, it will show again what it has shown before.
fn next_following<Z: TimeZone>(
    cron: &Cron,
    after: DateTime<Utc>,
    clock: &Clock<'_, Z>,
) -> Option<DateTime<Utc>> {
    let next = cron.next_wall(clock.wall(after)?, &Answers::default())?;
    match clock.change_between(after, after.checked_add_signed(DAY)?) {
        None => first_shown(cron, next, after, clock),
        Some(change) if next < change.wall_before()? => instant_at(next, change.offset_before),
        Some(change) => {
            let next = cron
                .next_wall(change.wall_after()?.checked_sub_signed(TICK)?, &Answers::default())?;
            first_shown(cron, next, change.at, clock)
        }
    }
}

/// The first instant, not before `from`, at which the clock shows a matching time, `next` or later.
fn first_shown<Z: TimeZone>(
    cron: &Cron,
    next: NaiveDateTime,
    from: DateTime<Utc>,
    clock: &Clock<'_, Z>,
) -> Option<DateTime<Utc>> {
    let (mut next, mut from) = (next, from);
    for _ in 0..GAPS_MAX {
        let instant = clock.first_reaching(next, from)?;
        let shown = clock.wall(instant)?;
        if shown == next {
            return Some(instant);
        }
        // The clock skips `next`: go on with what it shows after the gap.
        from = instant;
        next = cron.next_wall(shown.checked_sub_signed(TICK)?, &Answers::default())?;
    }
    None
}

/// One change of a zone's offset. Offsets are seconds east of UTC.
pub(in crate::decide) struct Change {
    /// The first instant with the new offset.
    pub at: DateTime<Utc>,
    offset_before: i32,
    offset_after: i32,
}

impl Change {
    /// What the wall clock was about to show when it was changed.
    pub fn wall_before(&self) -> Option<NaiveDateTime> {
        wall_at(self.at, self.offset_before)
    }

    /// What it showed instead.
    pub fn wall_after(&self) -> Option<NaiveDateTime> {
        wall_at(self.at, self.offset_after)
    }
}

/// The clock on the wall of a zone.
pub(in crate::decide) struct Clock<'a, Z> {
    /// Which clock.
    pub zone: &'a Z,
}

impl<Z: TimeZone> Clock<'_, Z> {
    /// Seconds east of UTC.
    pub fn offset(&self, at: DateTime<Utc>) -> i32 {
        self.zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc()
    }

    /// What it shows.
    pub fn wall(&self, at: DateTime<Utc>) -> Option<NaiveDateTime> {
        wall_at(at, self.offset(at))
    }

    /// The latest time the clock has shown by `at`. In an hour that comes the second time that is
    /// just before the hour's end, and no fixed time in it runs again.
    fn reached_by(&self, at: DateTime<Utc>) -> Option<NaiveDateTime> {
        let shown = self.wall(at)?;
        match self.change_between(at.checked_sub_signed(DAY)?, at) {
            Some(change) => Some(shown.max(change.wall_before()?.checked_sub_signed(TICK)?)),
            None => Some(shown),
        }
    }

    /// The change after `from` and at or before `to`. Zones change at whole seconds.
    pub fn change_between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Change> {
        let offset_before = self.offset(from);
        if offset_before == self.offset(to) {
            return None;
        }
        let (mut old, mut new) = (from.timestamp(), to.timestamp());
        while new - old > 1 {
            let middle = old + (new - old) / 2;
            match self.offset(DateTime::from_timestamp(middle, 0)?) == offset_before {
                true => old = middle,
                false => new = middle,
            }
        }
        let at = DateTime::from_timestamp(new, 0)?;
        Some(Change { at, offset_before, offset_after: self.offset(at) })
    }

    /// The first instant, not before `from`, at which the clock shows `wall` or later.
    fn first_reaching(&self, wall: NaiveDateTime, from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let low = from.max(wall.and_utc().checked_sub_signed(DAY)?);
        let high = wall.and_utc().checked_add_signed(DAY)?;
        match self.change_between(low, high) {
            None => instant_at(wall, self.offset(low)),
            Some(change) if wall < change.wall_before()? => instant_at(wall, change.offset_before),
            Some(change) => Some(instant_at(wall, change.offset_after)?.max(change.at)),
        }
    }
}

fn wall_at(at: DateTime<Utc>, offset: i32) -> Option<NaiveDateTime> {
    at.naive_utc().checked_add_signed(TimeDelta::seconds(i64::from(offset)))
}

/// The instant at which a clock with this offset shows `wall`.
pub(in crate::decide) fn instant_at(wall: NaiveDateTime, offset: i32) -> Option<DateTime<Utc>> {
    Some(wall.checked_sub_signed(TimeDelta::seconds(i64::from(offset)))?.and_utc())
}
