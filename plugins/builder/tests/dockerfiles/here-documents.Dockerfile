FROM debian:12
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
ENV NAME=world
RUN <<EOT
mkdir -p /opt/greeting
for word in hello "$NAME"; do
    echo "$word" | tee -a /opt/greeting/words
done
EOT
RUN <<PYTHON
#!/usr/bin/env python3
print("made by a script")
PYTHON
COPY <<greeting.conf <<-"literal.conf" /etc/greeting/
name = $NAME
greeting.conf
	name = $NAME
	literal.conf
CMD cat /opt/greeting/words
