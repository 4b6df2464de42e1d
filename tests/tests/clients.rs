//! The clients of docs/clients.md. Each is taken from the page and run against a service that
//! fails in every way that the page names, and each makes exactly one order.
//!
//! The TypeScript client needs the compiler that tests/clients locks, which npm installs once. A
//! further client has its types from docs/openapi.json.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "in a test a panic is the report"
)]

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{Stack, repository};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::time::Instant;

/// The block of the page in this language.
fn block(language: &str) -> String {
    let page = std::fs::read_to_string(repository().join("docs/clients.md")).unwrap();
    let fence = format!("```{language}\n");
    let blocks: Vec<&str> = page.split(&fence).skip(1).collect();
    assert_eq!(blocks.len(), 1, "the blocks of {language}");
    blocks[0].split("```").next().unwrap().to_owned()
}

/// The fate of a request on its way to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// A gateway turns it away with 429.
    Throttled,
    /// The connection breaks before the service has the request.
    Lost,
    /// The service answers, and the connection breaks before the client has the answer.
    AnswerLost,
    /// A service behind refuses every call.
    Refused(&'static str),
    /// The service behind does what it is asked, and its answers are lost.
    Unanswered(&'static str),
    /// The request goes through. The order is not applied yet.
    Through,
    /// The request goes through, and from now on orders are applied.
    Applied,
}

/// The fates of the submits and of the reads, one after the other. The last one repeats.
const SUBMITS: [Fate; 6] = [
    Fate::Throttled,
    Fate::Lost,
    Fate::AnswerLost,
    Fate::Refused("kinesis"),
    Fate::Unanswered("kinesis"),
    Fate::Through,
];
const READS: [Fate; 4] = [
    Fate::Through,
    Fate::Refused("dynamodb"),
    Fate::AnswerLost,
    Fate::Applied,
];

/// A request that has come, and how long the client was told to stay away before it.
struct Seen {
    is_submit: bool,
    key: Option<String>,
    /// The time from the end of the previous answer to this request.
    after: Option<Duration>,
    /// `Retry-After` of the previous answer, in seconds, if the client got that answer.
    told: u64,
}

/// The way to a stack, on which things happen to requests.
struct Way<'a> {
    stack: &'a Stack,
    listener: TcpListener,
    seen: Vec<Seen>,
}

impl Way<'_> {
    /// Serves one request a connection, for ever.
    async fn serve(&mut self) -> Infallible {
        let mut told = 0;
        let mut answered: Option<Instant> = None;
        loop {
            let (mut client, _) = self.listener.accept().await.unwrap();
            let request = read_request(&mut client).await;
            let (head, _) = request.split_once("\r\n\r\n").unwrap();
            let is_submit = head.starts_with("POST ");
            self.seen.push(Seen {
                is_submit,
                key: header(head, "idempotency-key"),
                after: answered.map(|answered| answered.elapsed()),
                told,
            });
            let answer = self.answer(&request, is_submit).await;
            client.write_all(answer.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            let retry_after = header(&answer, "retry-after");
            told = retry_after.map_or(0, |seconds| seconds.parse().unwrap());
            answered = Some(Instant::now());
        }
    }

    /// The answer to the request, which is empty if the client gets none.
    async fn answer(&self, request: &str, is_submit: bool) -> String {
        let same_kind = self.seen.iter().filter(|seen| seen.is_submit == is_submit);
        let fates = if is_submit { &SUBMITS[..] } else { &READS };
        let fate = fates[(same_kind.count() - 1).min(fates.len() - 1)];
        match fate {
            Fate::Throttled => {
                return "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned();
            }
            Fate::Lost => return String::new(),
            Fate::Refused(service) => {
                let error = "ProvisionedThroughputExceededException";
                self.stack.fault(service, error, 60).await;
            }
            Fate::Unanswered(service) => self.stack.fault(service, "lost-answer", 60).await,
            Fate::AnswerLost | Fate::Through => {}
            Fate::Applied => self.stack.enable_mapping(true).await,
        }
        let answer = forward(request, self.stack.port()).await;
        self.stack.no_faults().await;
        if fate == Fate::AnswerLost {
            return String::new();
        }
        answer
    }
}

/// A whole request, whose body is as long as `Content-Length` says.
async fn read_request(client: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let count = client.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8(request.clone()).unwrap();
        assert!(count > 0, "the request is cut off: {text}");
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() == length {
            return text;
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    let lines = head.lines().take_while(|line| !line.is_empty());
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim().to_owned())
}

/// The answer of the stack, whose connection serves this request alone.
async fn forward(request: &str, port: u16) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let is_kept = |line: &&str| !line.to_ascii_lowercase().starts_with("connection:");
    let head: Vec<&str> = head.lines().filter(is_kept).collect();
    let request = format!("{}\r\nConnection: close\r\n\r\n{body}", head.join("\r\n"));
    let mut stack = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stack.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stack.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The folder with the packages that tests/clients locks. They are installed once.
async fn packages() -> PathBuf {
    let (lock, package) = ("package-lock.json", "package.json");
    let source = repository().join("tests/clients");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("typescript");
    std::fs::create_dir_all(&home).unwrap();
    // Tests run at once, and one of them installs. The lock ends with the file's value.
    let one_at_a_time = std::fs::File::create(home.join("lock")).unwrap();
    one_at_a_time.lock().unwrap();
    let locked = std::fs::read(source.join(lock)).unwrap();
    // The mark is written last, so an installation that was cut off is done again.
    let mark = home.join("installed");
    if std::fs::read(&mark).ok().as_ref() != Some(&locked) {
        for name in [lock, package] {
            std::fs::copy(source.join(name), home.join(name)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--no-audit", "--no-fund", "--prefix"]);
        succeeds(npm.arg(&home)).await;
        std::fs::write(mark, locked).unwrap();
    }
    home
}

/// Compiles a TypeScript file, with all strict checks.
async fn compile(packages: &Path, file: &Path) {
    let mut compiler = Command::new("node");
    compiler.arg(packages.join("node_modules/typescript/bin/tsc"));
    compiler.args(["--strict", "--target", "es2022", "--module", "nodenext"]);
    compiler.args(["--lib", "es2022,dom,dom.iterable"]);
    succeeds(compiler.arg(file)).await;
}

/// Runs a command to its end. Returns what it has printed.
async fn succeeds(command: &mut Command) -> String {
    let output = command.kill_on_drop(true).output().await;
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs the page's client in this language, and sees that its order is the only one.
async fn makes_one_order(language: &str, file: &str) {
    let stack = Stack::start().await;
    stack.enable_mapping(false).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (folder, program) = (TempDir::new().unwrap(), block(language));
    assert!(program.contains("localhost:3000"), "{program}");
    let program = program.replace("localhost:3000", &address);
    let file = folder.path().join(file);
    std::fs::write(&file, program).unwrap();
    let mut command = match language {
        "sh" => Command::new("sh"),
        "python" => Command::new("python3"),
        _ => {
            compile(&packages().await, &file).await;
            Command::new("node")
        }
    };
    let file = match language {
        "ts" => file.with_extension("mjs"),
        _ => file,
    };
    let mut way = Way {
        stack: &stack,
        listener,
        seen: vec![],
    };
    let printed = tokio::select! {
        printed = succeeds(command.arg(file)) => printed,
        never = way.serve() => match never {},
    };

    let order: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(order["status"], "placed");
    assert_eq!(order["conflicts"], json!([]));
    assert_eq!(order["total"], 2598);
    let (submits, reads): (Vec<&Seen>, Vec<&Seen>) =
        way.seen.iter().partition(|seen| seen.is_submit);
    assert_eq!(submits.len(), SUBMITS.len());
    assert!(reads.len() >= READS.len(), "{}", reads.len());
    let keys: BTreeSet<_> = submits.iter().map(|submit| &submit.key).collect();
    assert_eq!(keys.len(), 1, "{keys:?}");
    for seen in way.seen.iter().filter(|seen| seen.told > 0) {
        let after = seen.after.unwrap();
        assert!(after >= Duration::from_secs(seen.told), "{after:?}");
    }

    // The stream has the submit several times, and the table has one order.
    stack.drained().await;
    let records = tests::records(&stack).await;
    let ids: BTreeSet<_> = records.iter().map(|record| &record.partition_key).collect();
    assert!(records.len() >= 3, "{}", records.len());
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(tests::rows(&stack).await.len(), 1);
}

#[tokio::test]
async fn the_client_in_shell_makes_one_order_while_everything_fails() {
    makes_one_order("sh", "order.sh").await;
}

#[tokio::test]
async fn the_client_in_python_makes_one_order_while_everything_fails() {
    makes_one_order("python", "order.py").await;
}

#[tokio::test]
async fn the_client_in_typescript_makes_one_order_while_everything_fails() {
    makes_one_order("ts", "order.mts").await;
}

#[tokio::test]
async fn a_client_with_types_from_the_openapi_document_compiles_and_works() {
    let (stack, packages) = (Stack::start().await, packages().await);
    // The compiler looks for packages in the folders above a file.
    let folder = TempDir::new_in(&packages).unwrap();
    let file = folder.path().join("typed.mts");
    std::fs::copy(repository().join("tests/clients/typed.mts"), &file).unwrap();
    let mut types = Command::new("node");
    types.arg(packages.join("node_modules/openapi-typescript/bin/cli.js"));
    types.arg(repository().join("docs/openapi.json"));
    succeeds(types.arg("-o").arg(folder.path().join("orders.d.ts"))).await;
    compile(&packages, &file).await;
    let address = format!("http://127.0.0.1:{}", stack.port());
    let mut client = Command::new("node");
    let printed = succeeds(client.arg(file.with_extension("mjs")).arg(address)).await;
    let printed: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["total"], 2598);
    assert_eq!(printed["statuses"], json!([202, 202]));
    assert!(printed["intent"].is_string(), "{printed}");
}
