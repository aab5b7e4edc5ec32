# Eleusis in two stages: the compiler stays in the first. Built by the same
# scripts and lists as ./dev (dev.d/).

FROM debian:bookworm-slim AS builder
WORKDIR /opt/eleusis
COPY dev.d/install-packages dev.d/packages-run.txt dev.d/packages-build.txt dev.d/
RUN dev.d/install-packages run build
# Kore changes seldom: its layer is kept while sources change. Its package
# file may be put into dev.d/ beforehand, then
#   --build-arg KORE_DEB=/opt/eleusis/dev.d/kore_4.2.3-2_amd64.deb
# needs no archive that still has it.
COPY dev.d/kore* dev.d/fetch-kore dev.d/build-kore dev.d/
COPY patches patches
COPY Makefile ./
ARG KORE_DEB=
RUN make kore
COPY src src
RUN make -j"$(nproc)" all \
 && strip --strip-debug build/eleusis.so build/eleusisctl build/kore/kore

FROM debian:bookworm-slim
WORKDIR /opt/eleusis
COPY dev.d/install-packages dev.d/packages-run.txt dev.d/
RUN dev.d/install-packages run \
 && rm -rf dev.d \
 && useradd --system --user-group --no-create-home --home-dir /nonexistent \
	--shell /usr/sbin/nologin eleusis \
 && useradd --system --user-group --no-create-home --home-dir /nonexistent \
	--shell /usr/sbin/nologin eleusis-tls
COPY --from=builder /opt/eleusis/build/kore/kore build/kore/kore
COPY --from=builder /opt/eleusis/build/kore/ffdhe4096.pem build/kore/
COPY --from=builder /opt/eleusis/build/eleusis.so /opt/eleusis/build/eleusisctl build/
COPY kore.conf ./
COPY conf conf
COPY migrations migrations
COPY models models
COPY assets assets
COPY docker/entrypoint docker/entrypoint

# Keys and certificates are data, never part of the image.
VOLUME /var/lib/eleusis
EXPOSE 8443
# Kore's parent starts as root: it binds, reads the key files, then locks its
# workers and its key manager into chroots as two users without rights.
ENTRYPOINT ["/opt/eleusis/docker/entrypoint"]
CMD ["serve"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
	CMD ["/opt/eleusis/docker/entrypoint", "healthy"]
