//! What a sync says to whom: each change is told once, to whoever reads.

use crate::support::Sandbox;
use crate::{THREE, three_running};

/// A sandbox with a change to make that is told as `word`.
fn with_a_change() -> Option<Sandbox> {
    let sandbox = three_running()?;
    change(&sandbox, 2);
    Some(sandbox)
}

fn change(sandbox: &Sandbox, tag: u32) {
    sandbox.publish(&format!("web:{tag}"));
    sandbox.commit(&[("compose.yaml", &THREE.replace("web:1", &format!("web:{tag}")))], "Change");
}

fn count(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

#[test]
fn a_change_is_told_once_to_each_reader() {
    let Some(sandbox) = with_a_change() else { return };
    // Cron mails both streams as one: the table has it all.
    let mail = sandbox.renew_by_shell(r#""$@" 2>&1"#, ["sync"]).expect(0).stdout;
    assert_eq!((count(&mail, "recreate"), count(&mail, "INFO")), (1, 0), "{mail}");
    assert!(mail.contains("web:2") && mail.contains("app: changed"), "{mail}");

    // Streams of their own: each is whole.
    change(&sandbox, 3);
    let apart = sandbox.renew(["sync"]).expect(0);
    assert_eq!(count(&apart.stdout, "recreate"), 1, "{apart}");
    assert!(apart.stderr.contains("INFO  app: recreate web (image: "), "{apart}");

    // The journal has a line for each step, and no table over many.
    change(&sandbox, 4);
    let script =
        r#"JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/1); export JOURNAL_STREAM; "$@" 2>&1"#;
    let journal = sandbox.renew_by_shell(script, ["sync"]).expect(0).stdout;
    assert_eq!(count(&journal, "recreate"), 1, "{journal}");
    assert!(journal.contains("<6>app: recreate web (image: "), "{journal}");
    assert!(journal.ends_with("app: changed\n") && !journal.contains("SERVICE"), "{journal}");

    // On a terminal lines are progress, and the table says why.
    change(&sandbox, 5);
    let script = r#"script -qec "$*" /dev/null"#;
    let seen = sandbox.renew_by_shell(script, ["sync"]).expect(0).stdout;
    assert!(seen.contains("app: recreate web\r\n"), "{seen}");
    assert_eq!((count(&seen, "SERVICE  COMPOSE"), count(&seen, "INFO")), (1, 0), "{seen}");
    sandbox.settled();

    // Whoever asks for the lines gets them.
    change(&sandbox, 6);
    let asked = sandbox.renew_by_shell(r#"RUST_LOG=info "$@" 2>&1"#, ["sync"]).expect(0).stdout;
    assert_eq!((count(&asked, "INFO  app: recreate web (image: ")), 1, "{asked}");
    sandbox.settled();
}
