# make run     build Hayrack and run it here, with its data in data/
# make rack    the same as three nodes that are one cluster, to be killed, hung and cut off; FRESH=1 begins anew; needs root
# make mount   mount the first bucket of a running Hayrack at data/mnt
# make test    everything that CI runs
# make bench   measure it; PEER=/path/to/minio measures MinIO beside it and writes RESULTS.md
# make bench-mounts PEERS=DIR   measure the mount beside s3fs, rclone, geesefs, juicefs and mount-s3, as far as
#              they are in DIR or in PATH, and write RESULTS.md; needs root
# make console   build the web console, which a later build of s3d embeds; needs Node.js 18 or newer
# make check   the fast part of the tests: format, lints, unit and property tests
# make bench-rack   measure three nodes on this machine; PEER as for `make bench`; needs root
# make bench-volumes   measure a volume beside a file that nbdkit serves, and write RESULTS.md; needs fio
#
# make deb     Debian packages of the daemons for this machine's kind, in target/image/debs
# make lint-deb   the same, and what lintian says of them
# make image   the image that nodes start from, in target/image; NODE=name for one node alone,
#              FOUND=name for the first image of a rack (the node that makes the cluster); see os-image/README.md
# make deb ARCH=arm64, make image ARCH=arm64   the same for Raspberry Pis, built here by a cross compiler; PROGRAMS=DIR takes
#              programs that are built already
# make deploy ARCH=arm64   update the rack to the image that was built, node by node; ARCH="amd64 arm64" for machines of both kinds
# make update  build it anew, with Debian's security updates of today, and bring all nodes of RACK to it
#
# By hand, since they take long:
# make fuzz      fuzz every target for SECONDS each (600)
# make test-console   the web console: types, lint, unit tests, and each flow in Chromium against both daemons
# make measure-console   scroll KEYS keys of one folder (100000) in Chromium: frames, and the memory of the tab
# make screenshots   take the pictures of s3d/console/README.md anew
# make crash     kill -9 under load, ROUNDS times (50)
# make rack-soak what the tests do to three nodes, ROUNDS times (10); needs root
# make power-cut cut the power of a machine under load, ROUNDS times (5), and kill volumed under its block devices
# make test-mount  every kind of mount, made as fine as for printing, every pair of neighbours, and what admesh and
#                  trimesh say of each part
# make pipeline  check .gitlab-ci.yml with GitLab's schema, and list its jobs; needs npm
# make image-test-arm64   build the image of a Raspberry Pi, and hold it against what its firmware asks for
# make forge-test   the forge with its data on a volume; needs root
# make image-test   boot an image in a virtual machine: first start, an object stored, updates, power cuts; STEPS=… for some
#                   of it, PROGRAMS=DIR takes programs that are built already, `rack` and `node-image` among them
# make test-clients   the clients that take minutes: SDKs for Go, Java and Rust, mc; on volumes fio, nbd-tester-client,
#                     file systems and PostgreSQL, which need root
# make router    a certificate's whole way to s3d by the router's own files, and these read by netjsonconfig; needs root
# make rack-whole   the whole rack behind its router: nodes killed, replaced, given a changed rack.toml and updated under load; needs root
# make s3-tests S3_TESTS=DIR   ceph's s3-tests, from a checkout in DIR; WRITE=1 writes the result into s3d/CONFORMANCE.md

export PATH := $(HOME)/.cargo/bin:$(PATH)
TARGET := $(or $(CARGO_TARGET_DIR),target)
# Where the measured disk is.
BENCH_DATA ?= .

.PHONY: lint-deb console console-tests test-console measure-console screenshots run rack rack-soak rack-whole mount test check lint bench bench-mounts bench-volumes bench-rack fuzz crash power-cut test-clients s3-tests build-packages test-packages router test-mount deb image image-test image-packages image-programs arm64-programs deploy pipeline forge-test image-test-arm64 update

# The program takes the place of the shell, so that signals reach it.
# Without the console, everything else is served.
run: build-packages
	@$(MAKE) --no-print-directory console || echo "The console was not built: npm could not get what it needs." >&2
	cargo build --release --locked -p volumed -p s3d -p fused
	@exec $(TARGET)/release/s3d quickstart

# As `run`: the program takes the place of the shell.
rack: build-packages console
	@.ci/install-packages etcd-server iproute2 nftables
	cargo build --release --locked -p volumed -p s3d -p hayrack-rack
	@exec $(TARGET)/release/hayrack-rack run $(if $(FRESH),--fresh)

CONSOLE := s3d/console
CONSOLE_SOURCES := $(shell find $(CONSOLE)/src $(CONSOLE)/public $(CONSOLE)/build -type f) \
    $(addprefix $(CONSOLE)/,index.html openapi.json package.json tsconfig.json vite.config.ts)
console: $(CONSOLE)/dist/app/index.html
$(CONSOLE)/dist/app/index.html: $(CONSOLE)/node_modules/.package-lock.json $(CONSOLE_SOURCES)
	cd $(CONSOLE) && npm run --silent build
# A Node.js from elsewhere brings its own npm, which Debian's would replace.
$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package-lock.json
	@command -v npm >/dev/null || .ci/install-packages npm
	cd $(CONSOLE) && npm ci --no-audit --no-fund
	@touch $@

# Against the daemons that were built last.
console-tests: console
	cd $(CONSOLE) && npm run --silent check && npm run --silent unit && HAYRACK_BIN_DIR=$(abspath $(TARGET))/debug npm run --silent browser

test-console: test-packages console
	tests/e2e/install-clients
	cargo build --locked -p volumed -p s3d -p fused
	$(MAKE) --no-print-directory console-tests

measure-console: test-packages console
	cargo build --locked -p volumed -p s3d
	cd $(CONSOLE) && KEYS=$(or $(KEYS),100000) HAYRACK_BIN_DIR=$(abspath $(TARGET))/debug npm run --silent measure

screenshots: test-packages console
	cargo build --locked -p volumed -p s3d
	cd $(CONSOLE) && HAYRACK_BIN_DIR=$(abspath $(TARGET))/debug npm run --silent screenshots

# Where quickstart keeps its data, and the keys to it.
DATA := $(or $(HAYRACK_DATA),data)
mount:
	@.ci/install-packages fuse3
	@test -e $(DATA)/env || { echo "Start it first, in another terminal: make run" >&2; exit 1; }
	@mkdir -p $(DATA)/mnt
	@. $(DATA)/env && $(TARGET)/release/fused mount s3://$$HAYRACK_BUCKET $(DATA)/mnt

build-packages:
	@.ci/install-packages gcc libc6-dev libprotobuf-dev protobuf-compiler

test-packages: build-packages
	@.ci/install-packages bind9-dnsutils chromium-headless-shell curl dehydrated dnsmasq-base dosfstools e2fsprogs etcd-server fdisk fonts-dejavu-core g++ git haproxy \
	    iproute2 libnbd-bin mtools nbdkit nftables openscad openssh-client openssh-server openssl pebble python3-boto3 python3-libnbd \
	    qemu-utils udhcpc wireguard-go wireguard-tools

IMAGE := $(TARGET)/image
image-packages: build-packages
	@.ci/install-packages binutils dosfstools e2fsprogs fdisk mmdebstrap mtools squashfs-tools

# The programs of a release, and what builds images.
image-programs: image-packages console
	cargo build --release --locked -p volumed -p s3d -p fused -p hayrack-node -p os-image -p rack

# The same for Raspberry Pis. What has to be run of them while packages and images are built, an emulator runs.
arm64-programs: image-packages console
	@.ci/install-packages arch-test gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
	command -v rustup >/dev/null && rustup target add aarch64-unknown-linux-gnu
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc cargo build --release --locked \
	    --target aarch64-unknown-linux-gnu -p volumed -p s3d -p fused -p hayrack-node
	cargo build --release --locked -p os-image -p rack

amd64_PROGRAMS := $(TARGET)/release
arm64_PROGRAMS := $(TARGET)/aarch64-unknown-linux-gnu/release
NODE_PROGRAMS := $(or $(PROGRAMS),$($(or $(ARCH),amd64)_PROGRAMS))
programs-of-nodes := $(if $(PROGRAMS),image-packages,$(if $(filter arm64,$(ARCH)),arm64-programs,image-programs))

deb: $(programs-of-nodes)
	@VERSION=$$(os-image/build/version) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	    os-image/packages/make $(NODE_PROGRAMS) $(IMAGE)/debs $(or $(ARCH),amd64)

lint-deb: deb
	@.ci/install-packages lintian
	lintian --fail-on error,warning $(IMAGE)/debs/*.deb

image: $(programs-of-nodes)
	IMAGE_TOOL=$(or $(IMAGE_TOOL),$(TARGET)/release/node-image) \
	    $(TARGET)/release/rack image --file $(or $(RACK),rack/rack.toml) --programs $(NODE_PROGRAMS) \
	    --out $(IMAGE) $(if $(ARCH),--arch $(ARCH)) $(if $(NODE),--node $(NODE)) $(if $(FOUND),--found $(FOUND)) \
	    $(addprefix --wipe ,$(WIPE))

# With Debian's security updates of today.
update: image
	@$(MAKE) --no-print-directory deploy

deploy: build-packages
	cargo build --release --locked -p rack
	$(TARGET)/release/rack update --file $(or $(RACK),rack/rack.toml) \
	    $(foreach arch,$(or $(ARCH),amd64),"$$(ls -t $(IMAGE)/hayrack_*_$(arch).update.toml | head -n 1)")

# gitlab-ci-local carries the schema, and needs a newer Node.js than Debian has.
pipeline:
	npm install --silent --no-save --prefix $(TARGET)/pipeline gitlab-ci-local@4.75.1 node@22
	PATH=$(abspath $(TARGET))/pipeline/node_modules/node/bin:$$PATH \
	    $(TARGET)/pipeline/node_modules/.bin/gitlab-ci-local --state-dir $(TARGET)/pipeline/state --list-all

image-test-arm64:
	$(MAKE) image ARCH=arm64 FOUND=node-1
	HAYRACK_PI_IMAGE="$$(ls -t $(abspath $(IMAGE))/hayrack_*_arm64.img | head -n 1)" \
	    cargo test --locked -p os-image --test pi -- --ignored

forge-test: build-packages
	@.ci/install-packages cgit e2fsprogs git gitolite3 iproute2 libnbd-bin lighttpd openssh-server
	cargo build --locked -p volumed
	os-image/tests/forge $(TARGET)/debug

image-test: $(programs-of-nodes)
	@.ci/install-packages openssh-client ovmf python3-boto3 qemu-system-x86 qemu-utils
	os-image/tests/boot $(NODE_PROGRAMS) $(IMAGE)/test $(STEPS)

lint: test-packages
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

# The whole rack takes a client that `make test` installs.
check: lint
	cargo test --workspace --locked --no-fail-fast --exclude hayrack-e2e -- --skip whole_rack

# All tests of the workspace in one build, the daemons too: another choice of packages would be another choice of features.
test: console lint
	command -v cargo-deny >/dev/null || cargo install cargo-deny --locked
	cargo deny --locked check bans licenses sources
	tests/e2e/install-clients
	cargo test --workspace --locked --no-fail-fast -- --test-threads=2
	$(MAKE) --no-print-directory console-tests
	tests/fuzz/run 5

bench: build-packages
	cargo build --release --locked -p volumed -p s3d -p hayrack-bench
	$(TARGET)/release/hayrack-bench compare --data $(BENCH_DATA) \
		$(if $(PEER),--peer-command $(PEER) --results tests/bench)

bench-mounts: build-packages
	@.ci/install-packages fuse3 s3fs
	cargo build --release --locked -p volumed -p s3d -p fused -p hayrack-bench
	PATH=$(if $(PEERS),$(abspath $(PEERS)):)$$PATH $(TARGET)/release/hayrack-bench mounts --data $(BENCH_DATA) --results tests/bench

bench-volumes: build-packages
	@.ci/install-packages fio nbdkit qemu-utils
	cargo build --release --locked -p volumed -p hayrack-bench
	$(TARGET)/release/hayrack-bench volumes --data $(BENCH_DATA) --results tests/bench

bench-rack: build-packages
	@.ci/install-packages etcd-server fio iproute2 nftables qemu-utils
	cargo build --release --locked -p volumed -p s3d -p hayrack-rack -p hayrack-bench
	$(TARGET)/release/hayrack-bench rack --data $(BENCH_DATA) --results tests/bench \
		$(if $(PEER),--peer-command $(PEER))

s3-tests: build-packages
	@.ci/install-packages python3-venv
	cargo build --release --locked -p volumed -p s3d
	tests/s3-tests/run $(S3_TESTS) --bin $(TARGET)/release $(if $(WRITE),--write s3d/CONFORMANCE.md)

fuzz: build-packages
	@.ci/install-packages g++
	tests/fuzz/run $(or $(SECONDS),600)

crash:
	cargo build --locked -p volumed -p s3d
	HAYRACK_CRASH_ROUNDS=$(or $(ROUNDS),50) cargo test --locked -p hayrack-e2e -p volumed \
	    --test crash --test acknowledged -- --nocapture

rack-soak: test-packages
	cargo build --locked -p volumed -p s3d
	HAYRACK_RACK_ROUNDS=$(or $(ROUNDS),10) cargo test --locked -p hayrack-rack --test nodes -- --ignored --nocapture

router: test-packages
	@.ci/install-packages python3-venv
	[ -e $(TARGET)/netjsonconfig/installed ] || { python3 -m venv $(TARGET)/netjsonconfig && \
	    $(TARGET)/netjsonconfig/bin/pip install --quiet netjsonconfig && touch $(TARGET)/netjsonconfig/installed; }
	cargo build --locked -p volumed -p s3d
	HAYRACK_NETJSONCONFIG=$(abspath $(TARGET))/netjsonconfig/bin/python3 \
	    cargo test --locked -p openwrt --test router -- --ignored --skip whole_rack

rack-whole: test-packages
	tests/e2e/install-clients
	cargo build --locked -p volumed -p s3d -p rack -p hayrack-rack
	cargo test --locked -p openwrt --test router -- whole_rack --ignored --nocapture

power-cut: build-packages
	cargo build --release --locked -p volumed -p s3d
	tests/e2e/guest/make $(TARGET)/guest $(abspath $(TARGET))/release
	HAYRACK_GUEST=$(abspath $(TARGET))/guest HAYRACK_CRASH_ROUNDS=$(or $(ROUNDS),5) \
	    cargo test --locked -p hayrack-e2e --test crash --test kernel -- --ignored --nocapture --test-threads=2

test-clients: build-packages
	tests/e2e/heavy/build
	cargo build --locked -p volumed -p s3d
	cargo test --locked --no-fail-fast -p hayrack-e2e --test clients --test volume -- --ignored --test-threads=2

test-mount: build-packages
	@.ci/install-packages admesh fonts-dejavu-core openscad python3-venv
	python3 -m venv $(TARGET)/trimesh
	$(TARGET)/trimesh/bin/pip install --quiet trimesh networkx scipy
	MOUNT_PYTHON=$(abspath $(TARGET))/trimesh/bin/python \
	    cargo test --locked -p rack-mount --test printed -- --ignored --nocapture
