ARG BASE=debian
ARG VERSION=1.0

FROM ${BASE}:12 AS toolchain
RUN apt-get update && apt-get install -y gcc libc6-dev make

FROM toolchain AS build
ARG VERSION
WORKDIR /src
COPY Makefile *.c *.h ./
RUN make VERSION=${VERSION} && strip hello

FROM ${BASE}:12-slim as final
ARG VERSION
LABEL version="${VERSION}"
COPY --from=build --chmod=0755 /src/hello /usr/local/bin/hello
COPY --from=0 /usr/share/doc/gcc/copyright /usr/share/doc/hello/
USER nobody
ENTRYPOINT ["/usr/local/bin/hello"]
