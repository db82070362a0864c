# syntax=docker/dockerfile:1
FROM debian:bookworm-slim

LABEL maintainer="Web Team <web@example.org>" \
      org.opencontainers.image.title="static site"

RUN apt-get update \
    # only what is needed
    && apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/*

COPY nginx.conf /etc/nginx/nginx.conf
COPY --chown=www-data:www-data site/ /usr/share/nginx/html/

EXPOSE 80 443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=30s --timeout=3s --retries=3 \
    CMD curl -f http://localhost/ || exit 1
CMD ["nginx", "-g", "daemon off;"]
