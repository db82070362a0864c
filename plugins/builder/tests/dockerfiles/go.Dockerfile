FROM golang:1.22 AS build
WORKDIR /go/src/app
COPY go.* .
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o /go/bin/app -ldflags "-s -w -X main.version=${VERSION:-dev}"

FROM scratch
COPY --from=build /go/bin/app /
ENTRYPOINT ["/app"]
