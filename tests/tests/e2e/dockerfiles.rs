//! Dockerfiles as people write them, built and run on a userland of Debian.

use kleene_tests::{Host, Programs, write};

use crate::web::fetch;

/// A host whose image `debian:bookworm` has gcc, make, Python and nginx.
#[track_caller]
fn with_debian() -> Host {
    let host = Host::start();
    let archive = Programs::of_this_build().unwrap().userland();
    assert!(
        archive.is_file(),
        "{} is missing: run `cargo xtask setup`",
        archive.display()
    );
    host.klee(&format!(
        "image create -t debian:bookworm fetch file://{} --no-dns --no-localtime",
        archive.display()
    ))
    .ok();
    host
}

#[test]
fn a_static_site_on_nginx_by_a_user_without_rights() {
    let host = with_debian();
    let context = host.directory("site");
    write(context.join("public/index.html"), "<h1>served by nginx</h1>\n");
    write(
        context.join("Dockerfile"),
        r#"# The base can be chosen by whoever builds.
ARG RELEASE=bookworm
FROM debian:${RELEASE}

LABEL org.opencontainers.image.title="A site" \
      maintainer="someone@example.org"

# One layer for all that root has to do.
RUN set -eux; \
    # a user of its own
    useradd --system --uid 1500 --no-create-home web; \
    rm -rf /var/www/html; \
    mkdir -p /srv/www /run/nginx; \
    chown -R web:web /srv/www /run/nginx

COPY <<EOF /etc/nginx/site.conf
daemon off;
worker_processes 1;
error_log stderr;
pid /run/nginx/nginx.pid;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path /run/nginx/body;
    proxy_temp_path /run/nginx/proxy;
    fastcgi_temp_path /run/nginx/fastcgi;
    uwsgi_temp_path /run/nginx/uwsgi;
    scgi_temp_path /run/nginx/scgi;
    server { listen 8081; root /srv/www; }
}
EOF

COPY --chown=web:web public/ /srv/www/

USER web
EXPOSE 8081
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=30s --timeout=3s CMD test -e /run/nginx/nginx.pid
ENTRYPOINT ["/usr/sbin/nginx", "-e", "stderr"]
CMD ["-c", "/etc/nginx/site.conf"]
"#,
    );
    host.klee("build -t site site").ok();
    host.klee("run -d --name site site").ok();
    assert_eq!(
        fetch(&host, "http://127.0.0.1:8081/"),
        "<h1>served by nginx</h1>\n"
    );
    let owner = host
        .klee("exec site /usr/bin/stat -c %U:%u /srv/www/index.html")
        .ok();
    assert!(owner.contains("web:1500"), "{owner}");
    let image = host.inspect("image", "site");
    assert_eq!(image["exposed_ports"][0], "8081/tcp");
    assert_eq!(image["labels"]["org.opencontainers.image.title"], "A site");
    assert_eq!(image["healthcheck"]["interval"], 30_000_000_000_u64);
    assert_eq!(image["entrypoint"][0], "/usr/sbin/nginx");
    // Its arguments can be replaced, its entrypoint stays.
    let version = host.klee("run site -v");
    assert!(
        format!("{}{}", version.stdout, version.stderr).contains("nginx version"),
        "{version:?}"
    );
}

#[test]
fn a_python_application_with_a_dockerignore() {
    let host = with_debian();
    let context = host.directory("app");
    write(
        context.join("app/main.py"),
        "import os, pathlib\n\
         print('settings:', os.environ['APP_MODE'], pathlib.Path.cwd())\n\
         print('files:', ' '.join(sorted(str(p) for p in pathlib.Path('.').rglob('*') if p.is_file())))\n",
    );
    write(context.join("app/secret.key"), "do not copy\n");
    write(context.join("app/notes/draft.md"), "draft\n");
    write(context.join("app/notes/keep.md"), "keep\n");
    write(context.join(".git/HEAD"), "ref: refs/heads/main\n");
    write(
        context.join(".dockerignore"),
        "# not for images\n.git\n**/*.key\napp/notes/*\n!app/notes/keep.md\n",
    );
    write(
        context.join("Dockerfile"),
        r#"FROM debian:bookworm
ARG MODE=production
ENV APP_MODE=${MODE} \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv
COPY . .
WORKDIR app
RUN <<EOF
set -e
python3 -c 'print("checked", 6 * 7)' > checked
EOF
CMD ["python3", "main.py"]
"#,
    );
    host.klee("build -t app --build-arg MODE=test app").ok();
    let shown = host.klee("run app").ok();
    assert!(shown.contains("settings: test /srv/app"), "{shown}");
    assert!(
        shown.contains("files: checked main.py notes/keep.md\n"),
        "{shown}"
    );
    let all = host
        .klee("run app /usr/bin/find /srv -name '*.key' -o -name HEAD")
        .ok();
    assert!(!all.contains("/srv/"), "{all}");
}

#[test]
fn a_program_in_c_that_one_stage_compiles_for_another() {
    let host = with_debian();
    let context = host.directory("hello");
    write(
        context.join("src/hello.c"),
        "#include <stdio.h>\nint main(void) { printf(\"hello from %s\\n\", STAGE); return 0; }\n",
    );
    write(
        context.join("Makefile"),
        "hello: src/hello.c\n\tgcc -static -O2 -DSTAGE='\"the first stage\"' -o $@ $<\n",
    );
    write(
        context.join("Dockerfile"),
        r#"FROM debian:bookworm AS build
WORKDIR /src
COPY Makefile .
COPY src src
RUN make hello

FROM debian:bookworm AS test
COPY --from=build /src/hello /tmp/hello
RUN /tmp/hello | grep 'first stage' > /tested

FROM scratch
COPY --from=build /src/hello /hello
COPY --from=test /tested /tested
ENTRYPOINT ["/hello"]
"#,
    );
    let log = host.klee("build -t hello hello").ok();
    assert!(log.contains("RUN make hello"), "{log}");
    let shown = host.klee("run hello").ok();
    assert!(shown.contains("hello from the first stage\n"), "{shown}");
    let (small, large) = (
        host.inspect("image", "hello"),
        host.inspect("image", "debian:bookworm"),
    );
    let total = |image: &serde_json::Value| image["size"]["total"].as_u64().unwrap_or(u64::MAX);
    assert!(total(&small) < 2_000_000, "{small}");
    assert!(total(&large) > 100_000_000, "{large}");

    // Unchanged, everything comes from the cache; with other source, only what depends on it is done again.
    let again = host.klee("build -t hello hello").ok();
    assert_eq!(
        again.matches("Using cache").count(),
        log.matches("Snapshot created").count(),
        "{again}"
    );
    write(
        context.join("src/hello.c"),
        "#include <stdio.h>\nint main(void) { printf(\"changed in %s\\n\", STAGE); return 0; }\n",
    );
    let changed = host.klee("build -t hello hello").ok();
    assert_eq!(
        changed.matches("Using cache").count(),
        1,
        "only the Makefile is as it was: {changed}"
    );
    assert!(
        host.klee("run hello")
            .ok()
            .contains("changed in the first stage\n")
    );
}

#[test]
fn a_declared_volume_outlives_its_container() {
    let host = Host::with_minimal_image();
    write(
        host.directory("context").join("Dockerfile"),
        "FROM minimal\nRUN /bin/busybox mkdir /data && echo first > /data/file\nVOLUME /data\n",
    );
    host.klee("build -t keeper context").ok();
    host.klee("run --name one keeper /bin/sh -c 'echo second >> /data/file'")
        .ok();
    let shown = host
        .klee("run --name two keeper /bin/busybox cat /data/file")
        .ok();
    assert!(
        shown.contains("first\n") && !shown.contains("second"),
        "each has its own: {shown}"
    );
    let mounts = host.inspect("container", "one")["container_mountpoints"].clone();
    let volume = mounts[0]["source"].as_str().unwrap().to_owned();
    assert_eq!(mounts[0]["destination"], "/data");
    host.klee("container rm one").ok();
    let kept = host
        .klee(&format!(
            "run -m {volume}:/data keeper /bin/busybox cat /data/file"
        ))
        .ok();
    assert!(kept.contains("first\nsecond\n"), "{kept}");
}
