//! The container's files, as far as they can be checked without an engine for containers: stages,
//! user, health check, and that everything they name exists.

#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    // The checkout that is tested, which need not be the one that the test was built for.
    let crate_dir = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
    Path::new(&crate_dir).ancestors().nth(2).unwrap().to_owned()
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The instructions, continuation lines joined, comments left out.
fn instructions(dockerfile: &str) -> Vec<Vec<String>> {
    let code: Vec<&str> =
        dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let joined = code.join("\n").replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect()
}

fn place_of(all: &[Vec<String>], name: &str) -> usize {
    all.iter().rposition(|words| words[0] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_image_has_two_stages_a_user_and_a_health_check() {
    let all = instructions(&read("docker/Dockerfile"));
    let stages: Vec<_> = all.iter().filter(|words| words[0] == "FROM").collect();
    let names: Vec<_> = stages.iter().map(|words| words[3].as_str()).collect();
    assert_eq!(names, ["builder", "runtime"]);
    assert!(stages[0][1].starts_with("rust:1.95"), "{:?}", stages[0]);
    let last_stage = place_of(&all, "FROM");
    let user = place_of(&all, "USER");
    assert!(user > last_stage, "the user is set in the last stage");
    assert!(!["root", "0"].contains(&all[user][1].as_str()));
    assert!(all.iter().skip(last_stage).any(|words| {
        words[0] == "RUN" && words.contains(&"useradd".to_owned()) && words.contains(&all[user][1])
    }));
    let health = all[place_of(&all, "HEALTHCHECK")].join(" ");
    assert!(health.contains(r#"CMD ["weir", "healthcheck""#), "{health}");
    // Whatever needs root comes before.
    assert!(all.iter().skip(user).all(|words| words[0] != "RUN"));
}

#[test]
fn everything_that_is_copied_exists_and_is_in_the_build_context() {
    let all = instructions(&read("docker/Dockerfile"));
    let ignored = read("docker/Dockerfile.dockerignore");
    let mut copied = 0;
    for words in all.iter().filter(|words| words[0] == "COPY") {
        if let Some(stage) = words[1].strip_prefix("--from=") {
            assert!(all.iter().any(|words| words[0] == "FROM" && words[3] == stage), "{stage}");
            continue;
        }
        for source in &words[1..words.len() - 1] {
            assert!(root().join(source).exists(), "{source} does not exist");
            let kept = ignored.lines().any(|line| line == format!("!{source}"));
            assert!(kept, "{source} is not in the context");
            copied += 1;
        }
    }
    assert!(copied >= 5, "{copied} sources");
}

#[test]
fn every_member_of_the_workspace_is_copied() {
    let all = instructions(&read("docker/Dockerfile"));
    let copied: Vec<_> = all.iter().filter(|words| words[0] == "COPY").flatten().collect();
    let manifest = read("Cargo.toml");
    let members = manifest.lines().skip_while(|line| !line.starts_with("members = [")).skip(1);
    let mut seen = 0;
    for line in members.take_while(|line| !line.starts_with(']')) {
        let Some(member) = line.trim().strip_prefix('"') else { continue };
        let folder = member.split(['/', '"']).next().unwrap().to_owned();
        assert!(copied.contains(&&folder), "cargo in the image would miss {folder}");
        seen += 1;
    }
    assert!(seen >= 14, "{seen} members");
}

#[test]
fn the_binary_s_name_variables_and_commands_are_those_of_the_server() {
    let dockerfile = read("docker/Dockerfile");
    let config = read("crates/server/src/config.rs");
    let manifest = read("crates/server/Cargo.toml");
    assert!(manifest.contains("name = \"weir\""));
    assert!(read("crates/server/src/main.rs").contains("Healthcheck(HealthcheckFlags)"));
    let text = dockerfile + &read("docker/compose.yaml");
    let mut seen = 0;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        if word.starts_with("WEIR_") {
            assert!(config.contains(&format!("\"{word}\"")), "the server does not read {word}");
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} variables");
}

#[test]
fn the_compose_file_builds_this_dockerfile_and_has_a_psql() {
    let compose = read("docker/compose.yaml");
    assert!(!compose.contains('\t'), "YAML has no tabs");
    let value = |name: &str| {
        let line = compose.lines().find_map(|line| line.trim().strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name}")).trim().to_owned()
    };
    let context = root().join("docker").join(value("context:"));
    assert!(context.join(value("dockerfile:")).is_file());
    for service in ["\n  weir:\n", "\n  psql:\n"] {
        assert!(compose.contains(service), "{service}");
    }
    assert_eq!(value("condition:"), "service_healthy");
    assert!(compose.contains("weir-data:/var/lib/weir"));
    assert!(read("docker/Dockerfile").contains("VOLUME /var/lib/weir"));
}
