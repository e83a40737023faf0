//! A value has one name, in files, on the screen and on the command line.

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use thaw_spec::{
    Augmentation, AugmentationSetting, ConvolutionAlgorithm, FreezeBoundary, Metric,
    PreprocessingName, Profile, RunStatus, Split, Statistic, VerdictKind,
};

/// The name of a value in JSON.
fn in_json(value: &impl Serialize) -> String {
    serde_json::to_value(value).expect("a name").as_str().expect("a string").to_owned()
}

fn parses_to<T: FromStr + PartialEq>(name: &str, value: T) -> bool {
    T::from_str(name).is_ok_and(|parsed| parsed == value)
}

fn is_displayed_as_in_json(value: &(impl Serialize + Display)) -> bool {
    value.to_string() == in_json(value)
}

#[test]
fn every_name_is_parsed_as_files_write_it() {
    assert!(Metric::ALL.into_iter().all(|metric| in_json(&metric) == metric.key()));
    assert!(Metric::ALL.into_iter().all(|metric| parses_to(metric.key(), metric)));
    assert!(Split::ALL.iter().all(is_displayed_as_in_json));
    assert!(Split::ALL.into_iter().all(|split| parses_to(split.name(), split)));
    assert!(Profile::ALL.into_iter().all(|profile| in_json(&profile) == profile.name()));
    assert!(Profile::ALL.into_iter().all(|profile| parses_to(profile.name(), profile)));
    for statistic in [Statistic::Final, Statistic::Best, Statistic::Last(10)] {
        assert!(is_displayed_as_in_json(&statistic));
        assert!(parses_to(&statistic.to_string(), statistic), "{statistic}");
    }
    for boundary in [FreezeBoundary::All, FreezeBoundary::None, FreezeBoundary::Block(5)] {
        assert!(is_displayed_as_in_json(&boundary));
        assert!(parses_to(&boundary.to_string(), boundary), "{boundary}");
    }
    assert!(
        [RunStatus::Completed, RunStatus::Thawed, RunStatus::Diverged]
            .iter()
            .all(is_displayed_as_in_json)
    );
    use ConvolutionAlgorithm::{Direct, WinogradF2, WinogradF3, WinogradF3Bfloat16, WinogradF6};
    assert!(
        [Direct, WinogradF2, WinogradF3, WinogradF6, WinogradF3Bfloat16]
            .iter()
            .all(|name| in_json(name) == name.name())
    );
    use PreprocessingName::{Caffe, Rescale, Tf, Torch};
    assert!([Rescale, Caffe, Torch, Tf].iter().all(|name| in_json(name) == name.name()));
    use VerdictKind::{Fail, Inconclusive, Missing, Pass};
    assert!([Pass, Inconclusive, Missing, Fail].iter().all(is_displayed_as_in_json));
    assert!(parses_to("none", Augmentation::None));
    assert!(parses_to("book", AugmentationSetting::Book));
}

#[test]
fn unknown_names_are_answered_with_what_is_allowed() {
    let answers = [
        Split::from_str("dev").expect_err("unknown").to_string(),
        Statistic::from_str("last_0").expect_err("unknown").to_string(),
        FreezeBoundary::from_str("block_0").expect_err("unknown").to_string(),
    ];
    assert_eq!(
        answers,
        [
            "unknown split `dev`, expected one of `train`, `validation`, `test`",
            "unknown statistic `last_0`, expected `final`, `best` or `last_1`, `last_2`, …",
            "unknown freeze boundary `block_0`, expected `all`, `none` or `block_1`, `block_2`, …",
        ]
    );
}
