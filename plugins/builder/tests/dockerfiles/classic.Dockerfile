# As written for Kleene 0.1.
ARG VERSION=13.1
FROM FreeBSD:${VERSION}-STABLE
ARG SITE=example
ENV TITLE="Site of ${SITE}"
RUN pkg install -y nginx \
    && sysrc nginx_enable=YES
WORKDIR /usr/local/www
COPY site nginx
USER www
CMD /usr/local/sbin/nginx -g "daemon off;"
