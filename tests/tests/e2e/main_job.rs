//! What Kleene is for, from an empty host to an empty host.

use kleene_tests::{HOST, Host, write};

use crate::web::{fetch, fetch_command, fetch_from_outside};

#[test]
fn an_image_is_built_run_published_and_removed_without_a_trace() {
    let host = Host::start();
    host.klee("image create -t minimal host --bin /bin/sh --bin /bin/busybox")
        .ok();
    host.klee("network create -t bridge --subnet 10.13.37.0/24 testnet")
        .ok();
    let context = host.directory("site");
    write(context.join("page.html"), "<h1>from the context</h1>\n");
    write(
        context.join("Dockerfile"),
        r#"FROM minimal
ENV GREETING="hello from the build"
COPY page.html /www/index.html
RUN echo "$GREETING" >> /www/index.html
CMD ["/bin/busybox", "httpd", "-f", "-p", "80", "-h", "/www"]
"#,
    );
    let log = host.klee("build -t site site").ok();
    assert!(
        log.contains("Step 4/5 : RUN echo \"$GREETING\" >> /www/index.html"),
        "{log}"
    );
    assert!(log.contains("image created"), "{log}");
    host.klee("volume create pages").ok();
    host.klee("run -d --name web -l vnet -n testnet --ip 10.13.37.80 -m pages:/www -p 8080:80 site")
        .ok();

    let page = "<h1>from the context</h1>\nhello from the build\n";
    assert_eq!(fetch(&host, &format!("http://{HOST}:8080/")), page);
    assert_eq!(fetch_from_outside(&host, &format!("http://{HOST}:8080/")), page);
    let fetched = host
        .klee(&format!(
            "run -l vnet -n testnet minimal {}",
            fetch_command("http://10.13.37.80/")
        ))
        .ok();
    assert!(fetched.contains(page), "{fetched}");
    host.klee("exec web /bin/sh -c 'echo and then >> /www/index.html'")
        .ok();
    assert_eq!(
        fetch(&host, &format!("http://{HOST}:8080/")),
        format!("{page}and then\n")
    );

    let listing = host.klee("lsc --no-trunc").ok();
    let row = listing
        .lines()
        .find(|line| line.contains(" web "))
        .unwrap_or_default();
    assert!(
        row.contains("site:latest") && row.contains("running"),
        "{listing}"
    );

    host.klee("stop web").ok();
    host.run(&fetch_command(&format!("http://{HOST}:8080/")))
        .refused();
    // Removing all there is, and looking for traces, is what every host does in the end.
}
