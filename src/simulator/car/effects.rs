//! What a command changes in a car.

use jiff::{SignedDuration, Timestamp};

use super::payload::{Climate, ClimateMode, Effect, Seat};
use super::profile::CarKind;
use super::signals::*;
use super::{Activity, Car};

/// The cloud ends a preparation after this time.
const PREPARATION: SignedDuration = SignedDuration::from_mins(20);

/// How long the steering wheel heats, minutes.
const WHEEL_MINUTES: f64 = 10.0;

impl Car {
    /// Carries a command out; the frame that shows it goes up at once.
    pub(super) fn apply(&mut self, effect: Effect, now: Timestamp) {
        self.carry_out(effect, now);
        self.stamp(now);
    }

    fn carry_out(&mut self, effect: Effect, now: Timestamp) {
        match effect {
            Effect::Nothing => {}
            Effect::Lock(locked) => {
                self.values.switch(LOCKED, locked);
                self.values.set(SECURITY, if locked { 2.0 } else { 0.0 });
            }
            Effect::Trunk(open) => self.values.switch(TRUNK, open),
            Effect::BatteryHeating(on) => {
                self.values.set(BATTERY_HEATING, if on { 4.0 } else { 0.0 });
                self.values.switch(HEATER_STATE, on);
            }
            Effect::Climate(climate) => self.set_climate(&climate),
            Effect::ClimateOff { .. } => self.climate_off(),
            Effect::ClimateClose => self.values.switch(AC_MANUAL, false),
            Effect::Appointments(command, entries) => {
                self.appointments.insert(command, entries);
            }
            Effect::ChargePlan(plan) => {
                self.values.set(CHARGE_LIMIT, f64::from(plan.limit));
                self.values.set_text(CHARGE_START, plan.start.clone());
                self.plan = plan;
            }
            Effect::ChargeLimit(limit) => self.plan.limit = limit,
            Effect::UnlockCharger => self.stop_charging(),
            Effect::Charge(true) if self.activity == Activity::Plugged => {
                let dc = self.values.is_on(DC_PLUG);
                self.begin_charging(dc, now);
            }
            // Without a plug there is nothing to start.
            Effect::Charge(true) => {}
            Effect::Charge(false) => self.stop_charging(),
            Effect::Sentry(on) => self.values.switch(SENTRY, on),
            Effect::Windows(position) => self.move_windows(position),
            Effect::Sunshade(tenths) => self.values.set(ROOF, f64::from(tenths) * 10.0),
            Effect::Sunroof(open) => self.values.set(ROOF, if open { 100.0 } else { 0.0 }),
            Effect::SeatHeat(Seat::Driver, level) => self.values.set(SEAT_HEAT_DRIVER, f64::from(level)),
            Effect::SeatHeat(Seat::Passenger, level) => self.values.set(SEAT_HEAT_PASSENGER, f64::from(level)),
            Effect::SeatVentilation(Seat::Driver, level) => self.values.set(SEAT_VENT_DRIVER, f64::from(level)),
            Effect::SeatVentilation(Seat::Passenger, level) => self.values.set(SEAT_VENT_PASSENGER, f64::from(level)),
            Effect::SteeringWheel(on) => {
                self.values.set(STEERING_WHEEL_HEAT, if on { 2.0 } else { 0.0 });
                self.values
                    .set(STEERING_WHEEL_MINUTES, if on { WHEEL_MINUTES } else { 0.0 });
            }
            Effect::Mirrors(on) => {
                self.values.switch(MIRROR_LEFT, on);
                self.values.switch(MIRROR_RIGHT, on);
            }
            Effect::Prepare(effects) => {
                for effect in effects {
                    self.carry_out(effect, now);
                }
                self.climate_until = Some(now + PREPARATION);
            }
            Effect::HealthyCharging(on) => self.values.switch(HEALTHY_CHARGE, on),
            Effect::SpeedLimit(limit) => {
                self.values.set(SPEED_LIMIT, f64::from(limit));
                self.values.switch(SPEED_LIMIT_ACTIVE, true);
            }
        }
    }

    fn set_climate(&mut self, climate: &Climate) {
        let mode = match (climate.mode, climate.automatic) {
            (ClimateMode::Cold, _) => 1.0,
            (ClimateMode::Hot, _) => 3.0,
            // Automatic operation without a direction reads back as 0.
            (ClimateMode::Ventilation, true) => 0.0,
            (ClimateMode::Ventilation, false) => 4.0,
        };
        let direction = match climate.mode {
            ClimateMode::Ventilation => 0.0,
            ClimateMode::Cold => 1.0,
            ClimateMode::Hot => 2.0,
        };
        let fastest = climate.fan == 7 && climate.recirculation && !climate.defrost;
        let rapid = |mode, temperature| {
            let active = fastest && climate.mode == mode && climate.temperature == temperature;
            if active { 2.0 } else { 0.0 }
        };
        let temperature = f64::from(climate.temperature);
        let fan = f64::from(climate.fan);
        for (signal, number) in [
            (AC_ON, 1.0),
            (AC_MANUAL, f64::from(u8::from(!climate.automatic))),
            (CLIMATE_MODE, mode),
            (COOLING_AND_HEATING, direction),
            (TARGET_LEFT, temperature),
            (TARGET_RIGHT, temperature),
            (FAN_LEVEL, fan),
            (FAN_LEVEL_SETTING, fan),
            (RECIRCULATION, f64::from(u8::from(climate.recirculation))),
            (WINDSHIELD_DEFROST, if climate.defrost { 2.0 } else { 0.0 }),
            (RAPID_COOLING, rapid(ClimateMode::Cold, 18)),
            (RAPID_HEATING, rapid(ClimateMode::Hot, 32)),
        ] {
            self.values.set(signal, number);
        }
        self.climate_until = None;
    }

    fn climate_off(&mut self) {
        for signal in [
            AC_ON,
            CLIMATE_MODE,
            COOLING_AND_HEATING,
            WINDSHIELD_DEFROST,
            RAPID_COOLING,
            RAPID_HEATING,
        ] {
            self.values.set(signal, 0.0);
        }
        self.climate_until = None;
        if matches!(self.activity, Activity::Parked | Activity::Plugged) {
            self.show_power(0.0);
        }
    }

    /// Whatever a preparation switched on goes off again.
    pub(super) fn end_preparation(&mut self) {
        self.climate_off();
        for signal in [
            SEAT_HEAT_DRIVER,
            SEAT_HEAT_PASSENGER,
            SEAT_VENT_DRIVER,
            SEAT_VENT_PASSENGER,
            STEERING_WHEEL_HEAT,
            STEERING_WHEEL_MINUTES,
            MIRROR_LEFT,
            MIRROR_RIGHT,
        ] {
            self.values.set(signal, 0.0);
        }
    }

    fn stop_charging(&mut self) {
        if let Activity::Charging { dc } = self.activity {
            self.connect(dc);
        }
    }

    /// The T03 shows positions only, the B10 open flags only.
    fn move_windows(&mut self, position: u8) {
        let open = position > 0;
        for (flag, percent) in WINDOWS_OPEN.into_iter().zip(WINDOW_POSITIONS) {
            match self.kind {
                CarKind::T03 => self.values.set(percent, f64::from(position)),
                CarKind::B10 => self.values.set(flag, if open { 2.0 } else { 0.0 }),
                CarKind::C10 | CarKind::C10Reev => {
                    self.values.set(percent, f64::from(position));
                    self.values.switch(flag, open);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Compliance, Scenario, payload};
    use super::*;

    fn start() -> Timestamp {
        "2026-11-21T06:00:00Z".parse().unwrap()
    }

    fn seconds(count: i64) -> Timestamp {
        start() + SignedDuration::from_secs(count)
    }

    fn car(kind: CarKind) -> Car {
        Car::new(kind, "LFZ".to_owned(), "1234".to_owned(), 1, false, start())
    }

    fn send(car: &mut Car, id: &str, content: &str) {
        let effect = payload::find(id)
            .unwrap()
            .understand(content, car.kind, start())
            .unwrap();
        car.command(1, effect, Compliance::Prompt, start());
    }

    fn changed(kind: CarKind, id: &str, content: &str) -> Value {
        let mut car = car(kind);
        send(&mut car, id, content);
        let data = car.status(seconds(3));
        data.get("signal").cloned().unwrap_or(data)
    }

    #[test]
    fn a_command_acts_a_moment_later_with_a_frame_of_its_own() {
        let mut car = car(CarKind::C10);
        send(&mut car, "110", r#"{"value":"unlock"}"#);
        assert_eq!(car.status(seconds(1))["signal"]["1298"], 1);
        assert!(!car.has_confirmed(1, seconds(1)));
        let after = car.status(seconds(2));
        assert_eq!(after["signal"]["1298"], 0);
        assert_eq!(
            after["signal"]["sts"],
            (start() + super::super::REACTION).as_millisecond()
        );
        assert!(car.has_confirmed(1, seconds(2)));
    }

    #[test]
    fn commands_show_in_the_signals_of_the_model() {
        assert_eq!(
            changed(CarKind::T03, "110", r#"{"value":"unlock"}"#)["driverDoorLockStatus"],
            false
        );
        assert_eq!(
            changed(CarKind::T03, "230", r#"{"value":"50"}"#)["leftFrontWindowPercent"],
            50
        );
        assert_eq!(
            changed(CarKind::T03, "230", r#"{"value":"50"}"#)["driverWindowStatus"],
            false
        );
        assert_eq!(changed(CarKind::B10, "230", r#"{"value":"2"}"#)["1693"], 2);
        assert_eq!(changed(CarKind::B10, "230", r#"{"value":"2"}"#)["3727"], 0);
        assert_eq!(changed(CarKind::C10, "230", r#"{"value":"50"}"#)["3727"], 50);
        let heat = r#"{"position":"copilot","level":"2"}"#;
        assert_eq!(changed(CarKind::C10, "301", heat)["2118"], 2);
        assert_eq!(changed(CarKind::C10, "320", r#"{"level":"2"}"#)["1816"], 2);
    }

    #[test]
    fn climate_settings_read_back_as_the_car_reports_them() {
        let cool = r#"{"circle":"in","mode":"cold","operate":"manual","position":"all","temperature":"18","windlevel":"7","wshld":"1"}"#;
        let signals = changed(CarKind::B10, "170", cool);
        let expected = [
            ("1938", 1),
            ("3713", 1),
            ("1941", 7),
            ("1943", 1),
            ("2669", 2),
            ("2681", 0),
        ];
        for (id, value) in expected {
            assert_eq!(signals[id], value, "{id}");
        }
        assert_eq!(signals["2183"], 18.0);
        let named = changed(CarKind::T03, "170", cool);
        assert_eq!(named["acSwitch"], true);
        assert_eq!(named["acCoolingAndHeating"], 1);
        assert_eq!(named["acCircleMode"], true);
    }

    #[test]
    fn the_cabin_warms_up_and_cools_down_again() {
        let mut car = car(CarKind::B10);
        let heat = r#"{"circle":"in","mode":"hot","operate":"manual","position":"all","temperature":"26","windlevel":"4","wshld":"1"}"#;
        send(&mut car, "170", heat);
        let warm = car.status(seconds(1800))["signal"]["1349"].as_f64().unwrap();
        assert!(warm > 25.0, "{warm}");
        let off = payload::find("170")
            .unwrap()
            .understand(r#"{"operate":"off"}"#, CarKind::B10, start());
        car.command(2, off.unwrap(), Compliance::Prompt, seconds(1800));
        let cold = car.status(seconds(9000))["signal"]["1349"].as_f64().unwrap();
        assert!((cold - 18.0).abs() < 0.2, "{cold}");
    }

    #[test]
    fn a_new_charging_plan_replaces_the_whole_old_one() {
        let plan = r#"{"chargeEnable":1,"chargesoc":90,"circulation":1,"cycles":"1,1,1,1,1,0,0","endtime":"06:15","recharge":1,"starttime":"23:45"}"#;
        let mut signal_car = car(CarKind::C10);
        send(&mut signal_car, "190", plan);
        let config = signal_car.status(seconds(3))["config"]["3"].clone();
        assert_eq!(config["percent"], 90);
        assert_eq!(config["beginTime"], "23:45");
        assert_eq!(config["isEnable"], 1);
        let mut t03 = car(CarKind::T03);
        send(&mut t03, "190", plan);
        assert_eq!(t03.status(seconds(3))["chargesocSetting"], 90);
        assert_eq!(
            t03.appointment(190),
            Some(json!({"chargeEnable": 1, "chargesoc": 90, "circulation": 1, "starttime": "23:45"}))
        );
    }

    #[test]
    fn a_preparation_ends_by_itself() {
        let mut car = car(CarKind::C10);
        send(
            &mut car,
            "360",
            r#"{"steeringWheelHeatCtrl":{"enable":true,"level":"2"},"air_condition":{"mode":"cold","temperature":"18","circle":"in","windlevel":"7","wshld":"1","operate":"manual","position":"all","enable":true}}"#,
        );
        assert_eq!(car.status(seconds(60))["signal"]["1816"], 2);
        let after = car.status(seconds(1300));
        assert_eq!(after["signal"]["1816"], 0);
        assert_eq!(after["signal"]["1938"], 0);
    }

    #[test]
    fn a_preparation_without_climate_ends_by_itself_too() {
        let mut car = car(CarKind::C10);
        send(
            &mut car,
            "360",
            r#"{"seat_setting":{"driver":"3","copilot":"0","left_rear":"0","right_rear":"0","enable":true}}"#,
        );
        assert_eq!(car.status(seconds(60))["signal"]["2100"], 3);
        assert_eq!(car.status(seconds(1300))["signal"]["2100"], 0);
    }

    #[test]
    fn starting_and_stopping_a_charge_leaves_lock_and_doors_as_they_are() {
        let mut car = car(CarKind::C10);
        car.play(Scenario::Plugged, start());
        let open = json!({"1298": 0, "1277": 1, "1281": 1});
        car.patch(open.as_object().unwrap(), start()).unwrap();
        for (ticket, charges, at, state) in [(1, true, 10, 2), (2, false, 100, 1)] {
            car.command(ticket, Effect::Charge(charges), Compliance::Prompt, seconds(at));
            let signals = car.status(seconds(at + 3))["signal"].clone();
            assert_eq!(signals["1149"], state);
            for (id, value) in open.as_object().unwrap() {
                assert_eq!(signals[id], *value, "{id} after {charges}");
            }
        }
    }

    #[test]
    fn charging_can_be_stopped_and_started_again() {
        let mut car = car(CarKind::C10);
        car.play(Scenario::ChargeAc, start());
        send(&mut car, "193", r#"{"value":"stop"}"#);
        assert_eq!(car.status(seconds(3))["signal"]["1149"], 1);
        let start_again = Effect::Charge(true);
        car.command(2, start_again, Compliance::Prompt, seconds(4));
        assert_eq!(car.status(seconds(8))["signal"]["1149"], 2);
    }

    #[test]
    fn an_unconfirmed_command_may_be_carried_out_after_all() {
        let mut car = car(CarKind::C10);
        let late = Compliance::Unconfirmed(Some(SignedDuration::from_secs(20)));
        car.command(1, Effect::Lock(false), late, start());
        assert_eq!(car.status(seconds(19))["signal"]["1298"], 1);
        assert_eq!(car.status(seconds(21))["signal"]["1298"], 0);
        assert!(!car.has_confirmed(1, seconds(60)));
        car.command(2, Effect::Lock(true), Compliance::Unconfirmed(None), seconds(30));
        assert_eq!(car.status(seconds(600))["signal"]["1298"], 0);
    }

    #[test]
    fn a_sleeping_car_wakes_up_to_act_and_one_without_coverage_does_not() {
        let mut sleeper = car(CarKind::C10);
        sleeper.play(Scenario::Asleep, start());
        sleeper.command(1, Effect::Lock(false), Compliance::Prompt, seconds(3600));
        assert!(sleeper.has_confirmed(1, seconds(3605)));
        assert_eq!(sleeper.status(seconds(3605))["signal"]["1298"], 0);
        let mut lost = car(CarKind::C10);
        lost.play(Scenario::Offline, start());
        lost.command(1, Effect::Lock(false), Compliance::Prompt, start());
        assert!(!lost.has_confirmed(1, seconds(60)));
    }
}
