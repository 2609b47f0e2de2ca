//! Everything breaks, at random but repeatably: the broker is killed and loses its store, the cloud misbehaves in every
//! way it knows, the bridge is killed, Home Assistant starts, cars do what they do, and commands come meanwhile, also
//! such as must not be carried out. After each round everything has to be right again in time: every topic says what
//! the cloud says, no command was carried out twice, late or unasked, and the sign-ins kept to their ration.
//!
//! `scripts/chaos` runs it. What happens is drawn in `story`, played on the `stage`, and judged by `truth`, `orders` and
//! `ration`, which know nothing of the bridge's inside.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking and says so on the terminal"
)]

mod orders;
mod ration;
mod stage;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod truth;

use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::sleep;

use orders::Write;
use stage::{SPEED, Stage};
use story::{Step, Storyteller, Way};

/// How long a request may be on its way to the cloud, simulated: a quarter of a real second.
const SLACK: SignedDuration = SignedDuration::from_secs(SPEED as i64 / 4);

/// Lines of the bridge's log that are shown when a round fails.
const LOG_LINES: usize = 300;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; scripts/chaos runs it"]
async fn whatever_breaks_all_is_right_again_and_no_command_is_repeated_or_late() {
    let (rounds, seed) = (number("CHAOS_ROUNDS", 10), number("CHAOS_SEED", 1));
    let Some(mut stage) = Stage::set().await else { return };
    let begun = stage.world.elapsed();
    let mut teller = Storyteller::new(seed);
    let mut worst = Duration::ZERO;
    for round in 1..=rounds {
        let story = teller.round();
        let outcome = play(&mut stage, &story).await;
        match outcome {
            Ok(told) => {
                worst = worst.max(told.took);
                println!("round {round}: {}; {}", names(&story), told.text);
            }
            Err(faults) => {
                println!("seed {seed}, round {round} of {rounds} failed. What happened:");
                for (pause, step) in &story {
                    println!("  after {:4} ms: {step:?}", pause.as_millis());
                }
                println!("What the bridge logged last:\n{}", stage.log_tail(LOG_LINES));
                println!("What is wrong:\n  {}", faults.join("\n  "));
                // Ended first, so that the whole log is not shown once more.
                drop(stage);
                panic!("seed {seed}, round {round}: {} faults", faults.len());
            }
        }
    }
    summary(&stage, rounds, seed, worst, stage.world.elapsed() - begun).await;
}

/// What is told of a round that ended well.
struct Told {
    took: Duration,
    text: String,
}

async fn play(stage: &mut Stage, story: &[(Duration, Step)]) -> Result<Told, Vec<String>> {
    for (pause, step) in story {
        sleep(*pause).await;
        stage.play(step).await;
    }
    stage.calm_down().await;
    let recovery = stage.recover().await?;
    let requests = stage.world.requests().await;
    let writes = Write::among(&requests);
    let mut faults = orders::unfounded(&stage.orders, &writes, SLACK);
    let sign_ins = ration::sign_ins(&requests);
    faults.extend(ration::breaches(&sign_ins, SLACK));
    faults.extend(
        stage
            .damaged_documents()
            .into_iter()
            .map(|name| format!("{name} was damaged")),
    );
    for (id, states) in stage.answers() {
        if states.iter().filter(|state| *state != "accepted").count() > 1 {
            faults.push(format!("{id} ended more than once: {states:?}"));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let held_back = match recovery.rationed {
        Duration::ZERO => String::new(),
        wait => format!(", the next sign-in was allowed after {:.1} s", wait.as_secs_f64()),
    };
    Ok(Told {
        took: recovery.took,
        text: format!(
            "right again after {:.1} s{held_back}; so far {} writes, {} sign-ins",
            recovery.took.as_secs_f64(),
            writes.len(),
            sign_ins.len()
        ),
    })
}

async fn summary(stage: &Stage, rounds: u64, seed: u64, worst: Duration, simulated: Duration) {
    let requests = stage.world.requests().await;
    let answers = stage.answers();
    let ended = |wanted: &str| {
        let states = stage.orders.iter().filter_map(|order| answers.get(&order.id));
        states
            .filter(|states| states.iter().any(|state| state == wanted))
            .count()
    };
    println!(
        "{rounds} rounds, seed {seed}, {:.1} simulated hours",
        simulated.as_secs_f64() / 3600.0
    );
    println!("happened: {}", stage.counts.line("happened: "));
    println!("faults: {}", stage.counts.line("fault: "));
    println!("commands sent: {}", stage.counts.line("sent: "));
    println!(
        "of the {} that were allowed: {} accepted, {} confirmed, {} not confirmed, {} refused, {} superseded, {} expired",
        stage.orders.len(),
        ended("accepted"),
        ended("confirmed"),
        ended("not_confirmed"),
        ended("refused"),
        ended("superseded"),
        ended("expired"),
    );
    println!("writes to cars: {}", Write::among(&requests).len());
    println!("sign-ins: {}", ration::sign_ins(&requests).len());
    println!("worst recovery: {:.1} s", worst.as_secs_f64());
}

/// The steps of a round in a few words.
fn names(story: &[(Duration, Step)]) -> String {
    let name = |step: &Step| match step {
        Step::BrokerDies => Some("broker killed".to_owned()),
        Step::BridgeDies => Some("bridge killed".to_owned()),
        Step::Birth => Some("birth".to_owned()),
        Step::Fault(kind, _) => Some((*kind).to_owned()),
        Step::Ask(ask) => Some(match ask.way {
            Way::Live(_) => format!("{:?}", ask.what),
            Way::Twice(_) => format!("{:?} twice", ask.what),
            Way::Expired => format!("{:?} too late", ask.what),
            Way::Retained | Way::RetainedPress => format!("{:?} retained", ask.what),
        }),
        Step::BrokerReturns | Step::BridgeReturns | Step::Scenario(..) | Step::Patch(..) | Step::Message => None,
    };
    story
        .iter()
        .filter_map(|(_, step)| name(step))
        .collect::<Vec<_>>()
        .join(", ")
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}
