"""What runs in the pods of these tests: scripts for a busybox, each as a template's `args`."""

_SOCKET = r"""
cat > /ws <<'END'
#!/bin/sh
key=
while read -r line; do
  line=$(printf '%s' "$line" | tr -d '\r')
  [ -z "$line" ] && break
  case "$line" in [Ss]ec-[Ww]eb[Ss]ocket-[Kk]ey:*) key=${line#*: };; esac
done
if [ -z "$key" ]; then
  printf 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nws\n'
  exit
fi
accept=$(printf '%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11' "$key" | sha1sum | cut -c1-40 | xxd -r -p | base64)
printf 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
printf 'Sec-WebSocket-Accept: %s\r\n\r\n' "$accept"
# A masked frame of four letters has ten bytes.
while [ "$(dd bs=1 count=10 2>/dev/null | wc -c)" = 10 ]; do printf '\201\004pong'; done
END
chmod +x /ws; exec nc -ll -p 8080 -e /ws
"""
_STREAM = r"""
mkdir -p /www/cgi-bin; echo "$PODKEEPER_POD_ID" > /www/index.html
cat > /www/cgi-bin/stream <<'END'
#!/bin/sh
printf 'Content-Type: text/event-stream\r\n\r\n'
printf 'data: first\n\n'
until [ -e /go ]; do usleep 50000; done
printf 'data: second\n\n'
END
chmod +x /www/cgi-bin/stream; exec httpd -f -p 8080 -h /www
"""
_LATE = """
until [ -e /go ]; do usleep 50000; done
mkdir /www; echo late > /www/index.html; exec httpd -f -p 8080 -h /www
"""
_ECHO = """
echo "$PODKEEPER_KEEPALIVE_URL" > /keepalive
mkdir /www; echo second > /www/index.html; httpd -p 9000 -h /www
nc -ll -p 22 -e cat & exec httpd -f -p 8080 -h /www
"""
_DISKS = "exec httpd -f -p 8080 -h /workspace"


def shell(script: str) -> list[str]:
    """Arguments that run a script."""
    return ["sh", "-c", script]


ANSWERS_SOCKETS = shell(_SOCKET)
"""Answers each message of four letters on a WebSocket with `pong`."""
STREAMS = shell(_STREAM)
"""`/cgi-bin/stream` sends one event, and the second one after `release`."""
LATE = shell(_LATE)
"""Answers nothing before `release`."""
SEVERAL_PORTS = shell(_ECHO)
"""Pages on 8080 and 9000, and an echo on 22."""
SHOWS_VOLUME = shell(_DISKS)
"""Serves what lies on its volume."""
