//! What expands to what, and the laws of expansion and escape.

use proptest::prelude::*;

use super::*;

fn with(variables: &[(&str, &str)], text: &str) -> Result<String, Flaw> {
    let find = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted);
    expand(text, &|name| Ok(find(name).map(|(_, value)| *value)))
}

fn in_test(text: &str) -> Result<String, Flaw> {
    with(&[("A", "a"), ("B_2", "b"), ("EMPTY", ""), ("TEXT", "${A} $${ $"), ("_x", "x")], text)
}

#[test]
fn each_form_expands_as_documented() {
    let cases = [
        ("", ""),
        ("plain", "plain"),
        ("${A}", "a"),
        ("<${A}${B_2}>", "<ab>"),
        ("${_x}", "x"),
        ("${EMPTY}", ""),
        ("${A:-d}", "a"),
        ("${NONE:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${NONE:-}", ""),
        ("${NONE:-redis://h:6379/?a=b}", "redis://h:6379/?a=b"),
        ("${NONE:-${B_2:-x}}", "b"),
        ("${NONE:-${NIL:-x}}-y", "x-y"),
        ("${NONE:-<${NIL:-${A}}>}", "<a>"),
        ("${NONE:-${A}${B_2}}", "ab"),
        ("${A:?must be there}", "a"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("${NONE:-$${x}", "${x"),
        ("$", "$"),
        ("$$", "$$"),
        ("pa$w0rd$", "pa$w0rd$"),
        ("$A {A} }{", "$A {A} }{"),
        ("ü${A}ü", "üaü"),
    ];
    for (text, expanded) in cases {
        assert_eq!(in_test(text).as_deref(), Ok(expanded), "{text}");
    }
}

#[test]
fn what_a_variable_holds_is_not_expanded_again() {
    assert_eq!(in_test("${TEXT}").as_deref(), Ok("${A} $${ $"));
    assert_eq!(in_test("${NONE:-${TEXT}}").as_deref(), Ok("${A} $${ $"));
}

#[test]
fn a_default_that_is_not_needed_needs_no_variables() {
    assert_eq!(in_test("${A:-${NONE}}").as_deref(), Ok("a"));
    assert_eq!(in_test("${A:-${NONE:?never said}}").as_deref(), Ok("a"));
}

#[test]
fn what_cannot_be_expanded_is_refused_in_words() {
    let cases = [
        ("${NONE}", "needs the environment variable NONE, which is not set"),
        ("${NONE:-${NIL}}", "needs the environment variable NIL, which is not set"),
        ("${NONE:?say why}", "needs the environment variable NONE"),
        ("${EMPTY:?say why}", "needs the environment variable EMPTY"),
        ("${NONE:?}", "needs the environment variable NONE, which is not set"),
        ("${", "has a `${` without its `}`"),
        ("${A", "has a `${` without its `}`"),
        ("${A:-d", "has a `${` without its `}`"),
        ("${A:-${A}", "has a `${` without its `}`"),
        ("${A:?m", "has a `${` without its `}`"),
        ("${A:6379", "has a `${` without its `}`"),
        ("${}", "has a `${…}` of an unknown form"),
        ("${1A}", "has a `${…}` of an unknown form"),
        ("${A-d}", "has a `${…}` of an unknown form"),
        ("${A:=d}", "has a `${…}` of an unknown form"),
        ("${A B}", "has a `${…}` of an unknown form"),
        ("${É}", "has a `${…}` of an unknown form"),
    ];
    for (text, problem) in cases {
        let flaw = in_test(text).expect_err(text);
        assert_eq!(
            (flaw.kind, flaw.problem.as_str()),
            (ConfigErrorKind::Variable, problem),
            "{text}"
        );
    }
}

#[test]
fn the_message_for_a_required_variable_is_its_remedy_on_one_line() {
    let flaw = in_test("${NONE:?ask\nthe operator }").expect_err("it is not set");
    assert_eq!(flaw.remedy, "set it: ask the operator");
}

#[test]
fn nesting_has_a_limit_that_is_not_the_stack() {
    let nested = |depth: usize| format!("{}x{}", "${NONE:-".repeat(depth), "}".repeat(depth));

    assert_eq!(in_test(&nested(DEEPEST)).as_deref(), Ok("x"));
    let flaw = in_test(&nested(100_000)).expect_err("it is too deep");
    assert_eq!(flaw.problem, "nests its defaults too deep");
}

/// Texts in which the parts of the syntax are frequent.
fn syntax() -> impl Strategy<Value = String> {
    let parts = ["$", "{", "}", "${", "$${", ":-", ":?", "A", "NONE", "EMPTY", " ", "é", "1"];
    prop::collection::vec(prop::sample::select(parts.to_vec()), 0..20)
        .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_is_too_odd_to_expand_or_refuse(text in syntax()) {
        if let Err(flaw) = in_test(&text) {
            prop_assert_eq!(flaw.kind, ConfigErrorKind::Variable);
            prop_assert!(text.contains(OPEN));
        }
    }

    #[test]
    fn a_text_that_opens_nothing_stays_as_it_is(text in any::<String>()) {
        prop_assume!(!text.contains(OPEN));
        prop_assert_eq!(in_test(&text), Ok(text));
    }

    #[test]
    fn an_escaped_text_expands_to_itself(text in prop_oneof![syntax(), any::<String>()]) {
        prop_assert_eq!(in_test(&escape(&text)), Ok(text));
    }

    #[test]
    fn a_value_arrives_as_it_is(value in prop_oneof![syntax(), any::<String>()]) {
        prop_assert_eq!(with(&[("V", &value)], "<${V}>"), Ok(format!("<{value}>")));
    }
}
