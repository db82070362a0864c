//! `cargo xtask demo`: what Kleene is for, shown on a throw-away host with the real programs. What is printed after a
//! `$` is exactly what is run.

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kleene_tests::{HOST, Host, OUTSIDE, Programs, words};

use crate::workspace::{Profile, Workspace};
use crate::{plugins, setup, style};

/// How long the web server may take from its start until it listens.
const LISTENS_AFTER: Duration = Duration::from_secs(5);

const PAGE: &str = "<h1>Hello from a container</h1>\n";
const DOCKERFILE: &str = r#"FROM minimal
ENV BUILT_BY="the builder plugin"
COPY index.html /www/index.html
RUN echo "<p>This line was added by $BUILT_BY.</p>" >> /www/index.html
CMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]
"#;

/// Builds everything and shows it.
///
/// # Errors
/// If something that is needed is missing, does not compile, or does not do what is shown.
pub fn run(workspace: &Workspace) -> Result<()> {
    heading("Preparing");
    setup::for_demo()?;
    println!("building the plugins to WebAssembly components");
    let plugins = plugins::build_all(workspace.root())?;
    println!("building kleened and klee (the first time takes minutes)");
    workspace.build_programs(Profile::Release)?;

    let mut host = Host::with(Programs::at(&workspace.programs(Profile::Release), &plugins)?)?;
    println!(
        "started kleened on a throw-away host: namespaces of its own for network, mounts and processes."
    );
    println!("The network and the firewall of this machine stay untouched. The host has the address {HOST},");
    println!("and {OUTSIDE} is another machine. KLEE_HOST={}", host.url());

    show(&host)?;

    heading("Nothing is left behind");
    println!("after the daemon has ended, compared with the host before it started:");
    let left = host.leftovers()?;
    print!("{left}");
    ensure!(left.is_empty(), "something was left behind");
    println!("\nThe demo has done what it should.");
    Ok(())
}

fn show(host: &Host) -> Result<()> {
    heading("A base image, without any download: programs of this machine and the libraries they need");
    klee(
        host,
        "image create -t minimal host --bin /bin/sh --bin /bin/busybox --bin /bin/ls",
    )?;

    heading("A network");
    klee(host, "network create -t bridge --subnet 10.13.37.0/24 testnet")?;

    heading("An image from a Dockerfile");
    let context = host.directory("site");
    fs::write(context.join("index.html"), PAGE)?;
    fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    shell(
        Command::new("cat")
            .arg("site/Dockerfile")
            .current_dir(host.sandbox().directory()),
        "cat site/Dockerfile",
    )?;
    klee(host, "build -t site site")?;

    heading("A container with a volume and a published port");
    klee(host, "volume create pages")?;
    klee(
        host,
        "run -d --name web -l vnet -n testnet --ip 10.13.37.80 -m pages:/www -p 8080:80 site",
    )?;
    klee(host, "lsc")?;

    heading("The page: from the host, from another machine, and from a second container");
    let page = format!("{PAGE}<p>This line was added by the builder plugin.</p>\n");
    let published = format!("busybox wget -q -O - http://{HOST}:8080/");
    await_page(host, &published)?;
    fetch(&published, &page, |line| on_host(host, line))?;
    fetch(&published, &page, |line| outside(host, line))?;
    let from_container = "run -l vnet -n testnet minimal /bin/busybox wget -q -O - http://10.13.37.80/";
    klee(host, from_container)?;

    heading("A command in the running container");
    klee(host, "exec web /bin/busybox ps")?;
    klee(
        host,
        "exec web /bin/sh -c 'echo \"<p>This one by klee exec.</p>\" >> /www/index.html'",
    )?;
    fetch(
        &published,
        &format!("{page}<p>This one by klee exec.</p>\n"),
        |line| on_host(host, line),
    )?;

    heading("The end");
    klee(host, "stop web")?;
    klee(host, "lsc -a")?;
    let containers: Vec<_> = host.list("container").iter().filter_map(name).collect();
    klee(host, &format!("rmc {}", containers.join(" ")))?;
    klee(host, "rmi site minimal")?;
    klee(host, "rmn testnet")?;
    klee(host, "rmv pages")
}

fn name(object: &serde_json::Value) -> Option<String> {
    Some(object.get("name")?.as_str()?.to_owned())
}

fn heading(text: &str) {
    println!("\n{}", style::heading(&format!("== {text}")));
}

fn klee(host: &Host, line: &str) -> Result<()> {
    let mut command = host.klee_command(line);
    if !stdout().is_terminal() {
        // Tables keep to 80 columns where no terminal tells otherwise; who reads this later has more.
        command.env("COLUMNS", "144");
    }
    shell(&mut command, &format!("klee {line}"))
}

/// Shows a command, runs it, and shows what it prints while it does.
fn shell(command: &mut Command, line: &str) -> Result<()> {
    println!("{}", style::command(line));
    stdout().flush()?;
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

fn on_host(host: &Host, line: &str) -> (Command, &'static str) {
    (
        with_words(line, |program| host.sandbox().command(program)),
        "on the host",
    )
}

fn outside(host: &Host, line: &str) -> (Command, &'static str) {
    (
        with_words(line, |program| host.sandbox().outside(program)),
        "on the other machine",
    )
}

fn with_words(line: &str, command: impl FnOnce(&str) -> Command) -> Command {
    let words = words(line);
    let mut command = command(words.first().map_or("true", String::as_str));
    command.args(words.get(1..).unwrap_or_default());
    command
}

/// Shows a command and the page it prints, which must be the right one.
fn fetch(line: &str, page: &str, place: impl FnOnce(&str) -> (Command, &'static str)) -> Result<()> {
    let (mut command, place) = place(line);
    println!("{}   ({place})", style::command(line));
    let output = command.output().with_context(|| format!("cannot run {line}"))?;
    let fetched = String::from_utf8_lossy(&output.stdout);
    print!("{fetched}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(fetched == page, "this should have been the page:\n{page}");
    Ok(())
}

/// Waits until the server listens, as somebody who types would have done by now.
fn await_page(host: &Host, line: &str) -> Result<()> {
    let deadline = Instant::now() + LISTENS_AFTER;
    while Instant::now() < deadline {
        if on_host(host, line).0.output()?.status.success() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    // What is wrong shows when the page is fetched.
    Ok(())
}
