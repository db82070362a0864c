FROM freebsd:14.1
MAINTAINER Data Base <db@example.org>
ARG PGVERSION=16
ENV PGDATA=/var/db/postgres/data${PGVERSION}
ENV PATH="/usr/local/bin:${PATH}"
ADD extensions.tar.gz /usr/local/share/postgresql/extension/
RUN set -eux; \
	pkg install -y postgresql${PGVERSION}-server; \
	\
	mkdir -p "$PGDATA"; \
	chown postgres "$PGDATA"
USER postgres
VOLUME ${PGDATA}
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT /usr/local/bin/postgres -D "$PGDATA"
