//! A web server to test with, and ways to fetch its page. Not a test.

use std::thread;
use std::time::{Duration, Instant};

use kleene_tests::{Host, write};

/// How long a server may take from its start until it listens.
const LISTENS_AFTER: Duration = Duration::from_secs(5);

/// The page that the image `site` serves at port 80.
pub const PAGE: &str = "<h1>it works</h1>\n";

/// Builds the image `site` from `minimal`.
#[track_caller]
pub fn build_site(host: &Host) {
    let context = host.directory("site");
    write(context.join("index.html"), PAGE);
    write(
        context.join("Dockerfile"),
        r#"FROM minimal
COPY index.html /www/index.html
CMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]
"#,
    );
    host.klee("build -t site site").ok();
}

/// The page at a URL as the host itself gets it, once the server listens.
#[track_caller]
pub fn fetch(host: &Host, url: &str) -> String {
    eventually(|| host.run(&fetch_command(url)))
}

/// The page at a URL as another machine gets it, once the server listens.
#[track_caller]
pub fn fetch_from_outside(host: &Host, url: &str) -> String {
    eventually(|| host.run_outside(&fetch_command(url)))
}

/// The command that prints the page at a URL, and gives up after a second. (`wget -T` of Debian 12 crashes.)
pub fn fetch_command(url: &str) -> String {
    format!("/bin/busybox timeout 1 /bin/busybox wget -q -O - {url}")
}

#[track_caller]
fn eventually(mut attempt: impl FnMut() -> kleene_tests::Outcome) -> String {
    let deadline = Instant::now() + LISTENS_AFTER;
    loop {
        let outcome = attempt();
        if outcome.succeeded() || Instant::now() > deadline {
            return outcome.ok();
        }
        thread::sleep(Duration::from_millis(20));
    }
}
