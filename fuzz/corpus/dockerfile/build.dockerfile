# syntax=docker/dockerfile:1
ARG A=1 B=${A:-x}
FROM --platform=$BUILDPLATFORM x:$A AS one
ENV a=b c="d $A" e='f'
RUN --mount=type=cache,target=/x,id=${A},sharing=locked --network=none make \
  # note
  all
COPY --chown=1:2 --chmod=0755 --link --exclude=*.md a [b] /c/
FROM one
COPY --from=one <<E <<-"F" /
$A 'q'
E
	x
	F
ONBUILD RUN x
HEALTHCHECK --interval=1m30s --retries=2 CMD ["a", "b"]
EXPOSE 80/udp 1-3:8000-8002
ADD --checksum=sha256:0 http://x /
