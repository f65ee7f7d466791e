//! The password exchange, with right and wrong answers at each step.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes};
use pgwire::api::auth::sasl::scram::{ScramSecret, gen_salted_password};
use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::client::{Client, message, query, startup};
use super::{Server, hasty};
use crate::PgOptions;
use crate::stub::{Engine, ScramVerifier};

const PASSWORD: &str = "correct horse";

async fn server() -> Server {
    let salt = b"a salt of 16 b..".to_vec();
    let salted = gen_salted_password(PASSWORD, &salt, 4096);
    let ScramSecret::Verifier { salt, iterations, stored_key, server_key } =
        ScramSecret::verifier_from_salted_password(salt, salted, 4096)
    else {
        panic!("a verifier was asked for");
    };
    let verifier = ScramVerifier { salt, iterations: iterations as u32, stored_key, server_key };
    let options = PgOptions {
        authentication_timeout: PgOptions::default().authentication_timeout,
        ..hasty()
    };
    Server::start_with(Engine::with_password(verifier), options).await
}

/// A client that was asked for its password.
async fn asked(server: &Server) -> Client {
    let mut client = server.caller().await;
    client.send(&startup(0, &[("user", "ada")])).await;
    let (kind, mut body) = client.message().await.expect("an answer");
    assert_eq!((kind, body.get_u32()), (b'R', 10));
    assert_eq!(body, Bytes::from_static(b"SCRAM-SHA-256\0\0"));
    client
}

fn initial(mechanism: &str, data: &[u8]) -> Vec<u8> {
    let mut body = format!("{mechanism}\0").into_bytes();
    body.put_u32(data.len() as u32);
    body.extend_from_slice(data);
    message(b'p', &body)
}

/// Goes through the exchange with `change` applied to the last message. Returns what comes then.
async fn exchange(
    server: &Server,
    password: &str,
    change: impl FnOnce(String) -> String,
) -> (Client, Vec<String>) {
    let mut client = asked(server).await;
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    client.send(&initial("SCRAM-SHA-256", scram.message())).await;
    let (kind, mut body) = client.message().await.expect("an answer");
    assert_eq!((kind, body.get_u32()), (b'R', 11));
    scram.update(&body).expect("a proper challenge");
    let last = String::from_utf8(scram.message().to_vec()).expect("ASCII");
    client.send(&message(b'p', change(last).as_bytes())).await;
    let (kind, mut body) = client.message().await.expect("an answer");
    if kind == b'R' {
        assert_eq!(body.get_u32(), 12);
        scram.finish(&body).expect("the server knows the password, too");
        let rest = client.until_ready().await;
        return (client, rest);
    }
    assert_eq!(kind, b'E');
    let text = String::from_utf8_lossy(&body).replace('\0', " ");
    let rest = client.until_ready().await;
    (client, [vec![text], rest].concat())
}

#[tokio::test]
async fn the_right_password_opens() {
    let server = server().await;
    let (mut client, lines) = exchange(&server, PASSWORD, |last| last).await;
    assert_eq!(lines[0], "R 0");
    assert_eq!(lines.last().expect("a line"), "Z I");
    assert_eq!(client.run("INSERT a").await, ["C INSERT 0 1", "Z I"]);
}

#[tokio::test]
async fn a_wrong_password_does_not() {
    let server = server().await;
    for password in ["", "correct hors", "correct horse "] {
        let (_, lines) = exchange(&server, password, |last| last).await;
        assert!(
            lines[0].contains("VFATAL C28P01 Mpassword authentication failed for user \"ada\""),
            "{lines:?}"
        );
        assert_eq!(lines[1..], ["end"]);
    }
    assert!(server.engine.startups().is_empty());
}

#[tokio::test]
async fn no_changed_answer_opens() {
    let server = server().await;
    let proof_of = |last: &str| last.rsplit_once(",p=").expect("a proof").1.to_owned();
    type Change = Box<dyn FnOnce(String) -> String>;
    let changes: Vec<(&str, Change)> = vec![
        ("nonce", Box::new(|last| last.replacen(",r=", ",r=x", 1))),
        ("channel binding", Box::new(|last| last.replacen("c=biws", "c=eSws", 1))),
        ("no proof", Box::new(|last| last.rsplit_once(",p=").expect("a proof").0.to_owned())),
        ("empty proof", Box::new(move |last| last.replace(&proof_of(&last), ""))),
        (
            "short proof",
            Box::new(move |last| {
                let proof = STANDARD.decode(proof_of(&last)).expect("base64");
                last.replace(&proof_of(&last), &STANDARD.encode(&proof[..31]))
            }),
        ),
        (
            "long proof",
            Box::new(move |last| {
                let mut proof = STANDARD.decode(proof_of(&last)).expect("base64");
                proof.push(0);
                last.replace(&proof_of(&last), &STANDARD.encode(&proof))
            }),
        ),
        (
            "flipped bit",
            Box::new(move |last| {
                let mut proof = STANDARD.decode(proof_of(&last)).expect("base64");
                proof[7] ^= 1;
                last.replace(&proof_of(&last), &STANDARD.encode(&proof))
            }),
        ),
        ("no base64", Box::new(move |last| last.replace(&proof_of(&last), "!!!!"))),
        ("extension", Box::new(|last| last.replacen(",p=", ",x=y,p=", 1))),
        ("nothing", Box::new(|_| String::new())),
    ];
    for (name, change) in changes {
        let (_, lines) = exchange(&server, PASSWORD, change).await;
        let code = if ["flipped bit", "extension"].contains(&name) { "C28P01" } else { "C08P01" };
        assert!(lines[0].contains(code), "{name}: {lines:?}");
        assert_eq!(lines[1..], ["end"], "{name}");
    }
    assert!(server.engine.startups().is_empty());
}

#[tokio::test]
async fn first_messages_of_the_wrong_form_are_refused() {
    let server = server().await;
    let mut no_data = b"SCRAM-SHA-256\0".to_vec();
    no_data.put_i32(-1);
    let mut lying = b"SCRAM-SHA-256\0".to_vec();
    lying.put_u32(1000);
    for bytes in [
        initial("SCRAM-SHA-256-PLUS", b"n,,n=,r=abc"),
        initial("PLAIN", b"\0ada\0secret"),
        initial("SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=abc"),
        initial("SCRAM-SHA-256", b"n,a=root,n=,r=abc"),
        initial("SCRAM-SHA-256", b"n,,m=x,n=,r=abc"),
        initial("SCRAM-SHA-256", b"n,,n="),
        initial("SCRAM-SHA-256", b"n,,n=,r=\xff"),
        initial("SCRAM-SHA-256", b""),
        message(b'p', &no_data),
        message(b'p', &lying),
        message(b'p', b"no terminator"),
        message(b'p', &[b'x'; 2000]),
        b"p\0\0\0\x03".to_vec(),
        query("INSERT a"),
    ] {
        let mut client = asked(&server).await;
        client.send(&bytes).await;
        let lines = client.until_ready().await;
        assert!(lines[0].starts_with("E FATAL 08P01 "), "{lines:?} {bytes:?}");
        assert_eq!(lines[1..], ["end"]);
    }
    assert!(server.engine.committed().is_empty());
}

#[tokio::test]
async fn the_proof_cannot_be_left_out() {
    let server = server().await;
    let mut client = asked(&server).await;
    client.send(&initial("SCRAM-SHA-256", b"n,,n=,r=abc")).await;
    assert_eq!(client.line().await.as_deref(), Some("R 11"));
    client.send(&query("INSERT a")).await;
    let lines = client.until_ready().await;
    assert!(lines[0].starts_with("E FATAL 08P01 expected SASL response"), "{lines:?}");
    assert!(server.engine.startups().is_empty());
}
