//! The password's verifier: kept, replaced, never given up by starting without it.

use crate::harness::Db;

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_is_kept_until_the_password_changes() {
    let db = Db::new();
    assert_eq!(db.engine().password_verifier(), None);
    let db = db.restart(Some("pencil")).await;
    let first = db.engine().password_verifier().expect("a verifier");
    assert!(first.iterations >= 4096 && first.salt.len() >= 16);
    let db = db.restart(None).await;
    assert_eq!(db.engine().password_verifier(), Some(first.clone()), "kept without the password");
    let epoch = db.engine().newest_epoch();
    let db = db.restart(Some("pencil")).await;
    assert_eq!(db.engine().password_verifier(), Some(first.clone()), "the same password");
    assert_eq!(db.engine().newest_epoch(), epoch, "nothing was written");
    let db = db.restart(Some("brush")).await;
    let second = db.engine().password_verifier().expect("a verifier");
    assert_ne!(second.salt, first.salt);
    assert_ne!(second.stored_key, first.stored_key);
    let db = db.restart(None).await;
    assert_eq!(db.engine().password_verifier(), Some(second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_salt_is_not_used_twice() {
    let verifier = |db: &Db| db.engine().password_verifier().expect("a verifier");
    let (one, two) = (Db::with_password(Some("pencil")), Db::with_password(Some("pencil")));
    assert_ne!(verifier(&one).salt, verifier(&two).salt);
}
