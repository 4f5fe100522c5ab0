//! The forms of URL that are taken, and those that are not.

use super::*;

fn parsed(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(url: &str) -> ConfigError {
    Target::parse(url).err().unwrap_or_else(|| panic!("{url} was taken"))
}

fn node(host: &str, port: u16) -> Node {
    Node { host: host.to_owned(), port }
}

fn only(target: &Target) -> &Node {
    match &target.servers {
        Servers::One(node) => node,
        _ => panic!("{target:?} is not one server"),
    }
}

#[test]
fn a_server_has_a_port_and_a_database_of_its_own_or_the_defaults() {
    let target = parsed("redis://cache.internal");
    assert_eq!((only(&target), target.database), (&node("cache.internal", 6379), None));

    let target = parsed("REDIS://cache.internal:6380/3");
    assert_eq!((only(&target), target.database), (&node("cache.internal", 6380), Some(3)));

    let target = parsed("redis://cache.internal:6380/?db=4");
    assert_eq!(target.database, Some(4));
}

#[test]
fn users_and_passwords_may_have_any_characters() {
    let target = parsed("redis://us%3Aer:p%40ss%3A%2F%C3%A9@host");
    assert_eq!(target.username.as_deref(), Some("us:er"));
    assert_eq!(target.password.as_deref(), Some("p@ss:/é"));

    let target = parsed("redis://:p:a@ss@host");
    assert_eq!((target.username, target.password.as_deref()), (None, Some("p:a@ss")));
}

#[test]
fn addresses_of_ipv6_stand_in_brackets() {
    let target = parsed("redis://[::1]:7000");
    assert_eq!(only(&target), &node("::1", 7000));
    assert_eq!(&*only(&target).to_client().host, "[::1]");
    assert_eq!(only(&parsed("redis://[fe80::1]")), &node("fe80::1", 6379));
}

#[test]
fn a_cluster_has_one_or_more_nodes() {
    let target = parsed("redis-cluster://user:pass@one:7000,two,[::1]:7002?node=four:7003");

    let Servers::Cluster(nodes) = &target.servers else { panic!("{target:?}") };
    let expected = [node("one", 7000), node("two", 6379), node("::1", 7002), node("four", 7003)];
    assert_eq!(nodes, &expected);
    assert_eq!(target.password.as_deref(), Some("pass"));
    assert_eq!(refused("redis-cluster://one/1"), ConfigError::DatabaseInCluster);
}

#[test]
fn sentinels_name_a_service() {
    let url = "redis-sentinel://one,two:26380/2?sentinelServiceName=main&sentinelPassword=s%40";
    let target = parsed(url);

    let Servers::Sentinel { nodes, service, password, .. } = &target.servers else {
        panic!("{target:?}")
    };
    assert_eq!(nodes, &[node("one", 26379), node("two", 26380)]);
    assert_eq!((service.as_str(), password.as_deref()), ("main", Some("s@")));
    assert_eq!(target.database, Some(2));
    assert_eq!(refused("redis-sentinel://one"), ConfigError::NoService);
}

#[test]
fn a_socket_has_a_path() {
    for url in ["unix:///run/my%20redis.sock?db=1", "unix:/run/my%20redis.sock?db=1"] {
        let target = parsed(url);
        let Servers::Socket(path) = &target.servers else { panic!("{target:?}") };
        assert_eq!(path.to_str(), Some("/run/my redis.sock"));
        assert_eq!(target.database, Some(1));
    }
    assert_eq!(refused("unix://"), ConfigError::NoServer);
    assert_eq!(refused("unix://relative/path"), ConfigError::NoServer);
}

#[test]
fn what_would_be_taken_for_something_else_is_refused() {
    let rows = [
        ("localhost:6379", ConfigError::NoScheme),
        ("localhost", ConfigError::NoScheme),
        ("http://host", ConfigError::UnknownScheme),
        ("dragonfly://host", ConfigError::UnknownScheme),
        ("redis+cluster://host", ConfigError::UnknownScheme),
        ("redis://", ConfigError::NoServer),
        ("redis://one,two", ConfigError::SeveralServers),
        ("redis://host:0", ConfigError::Port),
        ("redis://host:65536", ConfigError::Port),
        ("redis://host:", ConfigError::Port),
        ("redis://::1", ConfigError::Port),
        ("redis://ho st", ConfigError::Host),
        ("redis://user@host", ConfigError::UserWithoutPassword),
        ("redis://user:@host", ConfigError::UserWithoutPassword),
        ("redis://user:p%4@host", ConfigError::Encoding),
        ("redis://user:p%ff@host", ConfigError::Encoding),
        ("redis://host/256", ConfigError::Database),
        ("redis://host/a", ConfigError::Database),
        ("redis://host?timeout=1", ConfigError::UnknownParameter { known: "db" }),
        ("redis://host?db=1&db=1", ConfigError::ParameterTwice),
        ("redis://host/1?db=2", ConfigError::DatabaseConflict),
        ("redis://host/1?db=a", ConfigError::Database),
        ("redis://user:1234#secret@host", ConfigError::Fragment),
        ("redis://host/1#", ConfigError::Fragment),
        ("unix:///run/redis.sock#1", ConfigError::Fragment),
    ];

    for (url, expected) in rows {
        assert_eq!(refused(url), expected, "{url}");
    }
}

#[cfg(not(feature = "rustls"))]
#[test]
fn tls_that_is_not_compiled_in_is_never_plaintext() {
    for url in ["rediss://host", "rediss-cluster://host", "rediss-sentinel://host"] {
        assert_eq!(refused(url), ConfigError::TlsNotCompiled);
    }
}

#[cfg(feature = "rustls")]
#[test]
fn an_s_asks_for_tls() {
    assert!(parsed("rediss://host").tls);
    assert!(parsed("rediss-cluster://host").tls);
    assert!(!parsed("redis://host").tls);
}

#[test]
fn no_password_is_in_what_is_shown() {
    let urls = [
        "redis://user:p%40ss%3A%2F@host",
        "redis-cluster://user:p%40ss%3A%2F@host",
        "redis-sentinel://user:p%40ss%3A%2F@host?sentinelServiceName=m&sentinelPassword=p%40ss",
        "redis://user:p%40ss%3A%2F@ho$t",
        "redis://user:p@ss:/@host",
    ];

    for url in urls {
        let shown = format!("{:?}", Target::parse(url));
        assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
    }
}
