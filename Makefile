# Builds Eleusis into build/ (ASAN=1: build-asan/, with the sanitizers).
#
#   make all     Kore, the module, eleusisctl
#   make kore    the patched Kore only
#   make module  build/eleusis.so, loaded by Kore
#   make ctl     build/eleusisctl
#   make units   the unit tests of the pure cores; make unit runs them too
#   make tools   what tests and load tests run: forest_score, probe.so, ...
#   make fuzz    libFuzzer targets (clang), into build-asan/fuzz/
#   make clean   removes both build directories
#
# Objects are shared: the module links them all, eleusisctl and the unit tests
# take what they use from an archive of the same objects. A unit test of code
# that is not pure therefore fails to link, and names the culprit.

ASAN ?=
# V=1 shows whole commands.
V ?=
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '%-3s %s\n' $(1) $(2))
B := $(if $(ASAN),build-asan,build)
CC = cc
VERSION = 0.1.0

WARN = -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wcast-qual -Werror
HARDEN = -fstack-protector-strong -fstack-clash-protection -fPIC
SAN =
ifeq ($(ASAN),)
HARDEN += -D_FORTIFY_SOURCE=2
else
SAN = -fsanitize=address,undefined -fno-omit-frame-pointer
endif

# Kore's headers count as system headers: their warnings are not ours.
INC = -Isrc -isystem $(B)/kore/include -isystem $(shell pg_config --includedir)
CFLAGS = -std=gnu17 -O2 -g $(WARN) $(HARDEN) $(SAN) $(INC) \
	-D_GNU_SOURCE= -DELEUSIS_VERSION=\"$(VERSION)\"
LDFLAGS = -Wl,-z,relro,-z,now,-z,noexecstack $(SAN)
# Kore unloads the module at its end: what its globals point to would then look
# like a leak.
MODFLAGS = -shared $(if $(ASAN),-Wl$(comma)-z$(comma)nodelete)
comma := ,
LIBS = -lpq -lhiredis -lyajl -lsodium -lcurl -lcjose -lfido2 -lcbor -lcrypto -lz \
	-lm -lpthread
# A chroot holds no libraries: glibc must not look for this one at run time.
LIBS += -Wl,--no-as-needed -lgcc_s -Wl,--as-needed

MAIN_SRC := $(sort $(shell find src -name '*.c' -not -path 'src/ctl/*'))
CTL_SRC := $(sort $(shell find src/ctl -name '*.c' 2>/dev/null))
UNIT_SRC := $(sort $(shell find tests/unit -name 'test_*.c' 2>/dev/null))
MAIN_OBJ := $(MAIN_SRC:%.c=$(B)/obj/%.o)
CTL_OBJ := $(CTL_SRC:%.c=$(B)/obj/%.o)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
ARCHIVE := $(B)/libeleusis.a

.PHONY: all kore module ctl unit units tools fuzz clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: kore module ctl
kore: $(B)/kore/kore
module: $(B)/eleusis.so
ctl: $(B)/eleusisctl

# ---- Kore: rebuilt when its pin, its recipe or any patch changes ----------
KORE_INPUTS := dev.d/kore.env dev.d/fetch-kore dev.d/build-kore \
	$(sort $(wildcard patches/kore/*.patch))

$(B)/kore.inputs: FORCE
	@mkdir -p $(B)
	@sha256sum $(KORE_INPUTS) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/kore/kore: $(B)/kore.inputs
	dev.d/build-kore $(B)/kore $(if $(ASAN),asan)
	@touch $@

# ---- objects -------------------------------------------------------------
# Flags and the list of sources are inputs too.
$(B)/flags: FORCE
	@mkdir -p $(B)
	@printf '%s\n' '$(CC) $(CFLAGS) $(MODFLAGS) $(LDFLAGS) $(LIBS)' '$(MAIN_SRC)' \
	    '$(CTL_SRC)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/obj/%.o: %.c $(B)/flags | $(B)/kore/kore
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS) $$(cat $(B)/kore/kore.features) -MMD -MP -c $< -o $@

# The module's few symbols of Kore are found when Kore loads it.
$(B)/eleusis.so: $(MAIN_OBJ) Makefile
	$(call say,LD,$@)
	$(Q)$(CC) $(MODFLAGS) $(LDFLAGS) $(MAIN_OBJ) -lssl $(LIBS) -o $@.new
	@mv $@.new $@

$(ARCHIVE): $(MAIN_OBJ)
	@rm -f $@
	$(call say,AR,$@)
	$(Q)ar rcs $@ $(MAIN_OBJ)

$(B)/eleusisctl: $(CTL_OBJ) $(ARCHIVE) Makefile
	$(call say,LD,$@)
	$(Q)$(CC) -pie $(LDFLAGS) $(CTL_OBJ) $(ARCHIVE) $(LIBS) -o $@.new
	@mv $@.new $@

# ---- unit tests ----------------------------------------------------------
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(ARCHIVE)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) $< $(ARCHIVE) $(LIBS) -lcmocka -o $@

units: $(UNIT_BIN)

unit: units
	@failed=0; for t in $(UNIT_BIN); do \
		echo "== $$t"; $$t || failed=1; \
	done; exit $$failed

# ---- programs and modules that tests and load tests run --------------------
TOOL_SRC := $(wildcard tests/tools/*.c) $(wildcard loadtest/forest_bench.c \
	loadtest/gate_bench.c loadtest/iplist_bench.c \
	loadtest/signature_bench.c)
MOD_SRC := $(wildcard tests/probe/probe.c) $(wildcard loadtest/floor.c)
TOOL_BIN := $(patsubst %.c,$(B)/%,$(notdir $(TOOL_SRC)))
MOD_SO := $(patsubst %.c,$(B)/%.so,$(notdir $(MOD_SRC)))

tools: $(TOOL_BIN) $(MOD_SO)

define tool_rule
$(B)/$(basename $(notdir $(1))): $(B)/obj/$(1:.c=.o) $(ARCHIVE) Makefile
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS) $$< $$(ARCHIVE) $$(LIBS) -o $$@
endef
# A module of its own brings the lower floors along, hooks and all.
MOD_OBJ := $(filter $(foreach a,base crypto obs loop io,$(B)/obj/src/$(a)/%),\
	$(MAIN_OBJ))
define mod_rule
$(B)/$(basename $(notdir $(1))).so: $(B)/obj/$(1:.c=.o) $(MOD_OBJ) Makefile
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(MODFLAGS) $$(LDFLAGS) $$< $$(MOD_OBJ) $$(LIBS) -o $$@
endef
$(foreach src,$(TOOL_SRC),$(eval $(call tool_rule,$(src))))
$(foreach src,$(MOD_SRC),$(eval $(call mod_rule,$(src))))

# ---- fuzzing: build-asan/fuzz/fuzz_json -max_total_time=60 -----------------
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_DEP := $(wildcard src/base/*.c) $(wildcard src/predict/forest*.c) \
	$(wildcard src/predict/model_schema.c) $(wildcard src/httpsig/sfv*.c) \
	src/httpsig/signature_component.c src/httpsig/signature_base.c \
	src/httpsig/query_param.c \
	src/http/forwarded.c $(wildcard src/gate/*.c) \
	$(wildcard src/webauthn/*.c) src/crypto/digest.c
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=build-asan/fuzz/%)

fuzz: $(FUZZ_BIN)

build-asan/fuzz/%: tests/fuzz/%.c $(FUZZ_DEP)
	@mkdir -p $(@D)
	$(call say,FZ,$@)
	$(Q)clang -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -Isrc \
	    -D_GNU_SOURCE= $< $(FUZZ_DEP) -lyajl -lsodium -lfido2 -lcbor \
	    -lcrypto -lm -o $@

clean:
	rm -rf build build-asan

-include $(MAIN_OBJ:.o=.d) $(CTL_OBJ:.o=.d) \
	$(UNIT_SRC:%.c=$(B)/obj/%.d) $(TOOL_SRC:%.c=$(B)/obj/%.d) \
	$(MOD_SRC:%.c=$(B)/obj/%.d)
