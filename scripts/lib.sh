# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the scripts: where things are, messages, and long steps.
#
# BUILD=DIR moves everything that is generated out of build/.

set -euo pipefail
# No script ends without a word, even where nobody thought of a message.
trap 'printf "error: %s: line %s failed\n" "${0##*/}" "$LINENO" >&2' ERR

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
B=${BUILD:-$top/build}
# Only a directory that was made here, or was empty, is removed altogether.
built=$(ls -A "$B" 2> /dev/null) || :
mkdir -p "$B/logs" "$B/dl"
B=$(cd "$B" && pwd)
[ -n "$built" ] || : > "$B/.built"
unset built

# Variables given to our make are no business of the kernel's make.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

export LC_ALL=C
export ARCH=arm64
export CROSS_COMPILE=aarch64-linux-gnu-
export CCACHE_DIR=${CCACHE_DIR:-$B/ccache}
# Objects are found again wherever the repository is cloned to.
export CCACHE_BASEDIR=$B
# The compiler says what an object depends on: the cache need not preprocess a
# source before each compilation, which made a first build longer by 40 %.
export CCACHE_DEPEND=1
# The same source gives the same image, whoever builds it and when.
export KBUILD_BUILD_TIMESTAMP='1970-01-01'
export KBUILD_BUILD_USER=gunyah
export KBUILD_BUILD_HOST=gunyah

say() {
	printf '%s\n' "$*"
}

warn() {
	printf 'warning: %s\n' "$*" >&2
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

# A path as a person standing in the repository would type it.
short() {
	printf '%s' "${1#"$top"/}"
}

# One job at a time in a build directory.
lock() {
	exec 9> "$B/.lock"
	flock -n 9 || die "another make is at work in $(short "$B"); wait for it or set BUILD= to a directory of your own"
}

elapsed() {
	local s=$(($(date +%s) - $1))

	if [ "$s" -ge 60 ]; then
		printf '%dm%02ds' $((s / 60)) $((s % 60))
	else
		printf '%ds' "$s"
	fi
}

# Runs beside a long step: an updating line on a terminal, a line every 30 s
# in a log file.
ticker() {
	local parent=$1 name=$2 log=$3 measure=$4 start=$5 n now last=0

	trap '' INT
	while sleep 1 && kill -0 "$parent" 2> /dev/null; do
		case $measure in
		lines:*) n="$(wc -l < "$log") of about ${measure#lines:}" ;;
		bytes:*) n="$(($(stat -c %s "${measure#bytes:}" 2> /dev/null || echo 0) >> 20)) MiB" ;;
		*)	 n= ;;
		esac
		now=$(date +%s)
		if [ -t 1 ]; then
			printf '\r  %s: %s %s\033[K' "$name" "$(elapsed "$start")" "$n"
		elif [ $((now - start - last)) -ge 30 ]; then
			last=$((now - start))
			printf '  %s: %s %s\n' "$name" "$(elapsed "$start")" "$n"
		fi
	done
}

# step NAME MEASURE TEXT COMMAND...: run a long COMMAND, its output in
# logs/NAME.log, and say how it is getting on.  MEASURE is lines:TOTAL,
# bytes:FILE or -.
step() {
	local name=$1 measure=$2 text=$3 log=$B/logs/$1.log start tick rc=0

	shift 3
	start=$(date +%s)
	if [ -t 1 ]; then
		printf '  %s: %s, log %s' "$name" "$text" "$(short "$log")"
	else
		printf '  %s: %s, log %s\n' "$name" "$text" "$(short "$log")"
	fi
	: > "$log"
	ticker $$ "$name" "$log" "$measure" "$start" 9>&- &
	tick=$!
	# shellcheck disable=SC2064
	trap "kill $tick 2> /dev/null || :" EXIT
	"$@" >> "$log" 2>&1 < /dev/null || rc=$?
	kill "$tick" 2> /dev/null || :
	wait "$tick" 2> /dev/null || :
	trap - EXIT
	[ ! -t 1 ] || printf '\r\033[K'
	if [ "$rc" = 0 ]; then
		say "  $name: $text, $(elapsed "$start")"
		return 0
	fi
	say "  $name: $text, failed after $(elapsed "$start")"
	return "$rc"
}

# fail NAME MESSAGE: the end of a step that failed, with the lines of its log
# that say why.
fail() {
	local log=$B/logs/$1.log

	if grep -qi 'no space left on device' "$log"; then
		die "$1: no space left on the disk of $B; a full build needs about 8 GiB there"
	fi
	# Not at the start of a line, where the error message is.
	{ grep -E '(error|fatal|undefined reference|\*\*\*)' "$log" | head -n 10 ||
		tail -n 10 "$log"; } | sed 's/^/  /' >&2
	die "$1: $2, see $(short "$log")"
}

# ours TREE: nothing is in build/linux but what scripts/apply has put there.  An
# interrupted run ends with a line "applying": nothing there is anybody's work yet.
# Without a record nobody knows what is.
ours() {
	local tree=$1 last

	last=$(tail -n 1 "$tree.state" 2> /dev/null) || return 1
	[ "$last" != applying ] || return 0
	[ "$(git -C "$tree" rev-parse HEAD)" = "${last#* }" ] &&
		[ -z "$(git -C "$tree" status --porcelain | head -n 1)" ]
}

# archive DIRECTORY: a cpio archive of what is in it, for an initramfs.  The same
# files give the same archive, whenever they were made.
archive() {
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . -print0 | sort -z |
		cpio -0 -o -H newc --owner 0:0 --reproducible --quiet)
}

# series_patches DIRECTORY: the patch names of the series there, in order.
series_patches() {
	sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$1/series"
}

# git format-patch whose output depends on the commits and on nothing else.
# Usage: format_patches TREE RANGE DIRECTORY
format_patches() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "$1" \
		-c core.abbrev=12 -c core.quotePath=true -c diff.algorithm=myers \
		-c diff.renames=true -c diff.noprefix=false -c format.useAutoBase=false \
		format-patch -q --zero-commit --no-signature --no-numbered --no-thread \
		--full-index -o "$3" "$2"
}

# The folders that hold the end state of what the series adds.
# shellcheck disable=SC2034 # for the scripts
end_state_folders="Documentation arch drivers include samples tools"

# export_end_state TREE BASE HEAD DIRECTORY: every file the series adds, and
# MAINTAINERS.fragment with the lines it adds to MAINTAINERS.
export_end_state() {
	local tree=$1 base=$2 head=$3 dir=$4 files

	mapfile -t files < <(git -C "$tree" diff --no-renames --name-only --diff-filter=A "$base" "$head")
	if [ ${#files[@]} -gt 0 ]; then
		git -C "$tree" archive --format=tar "$head" -- "${files[@]}" | tar -xf - -C "$dir"
	fi
	git -C "$tree" diff --no-color -U0 "$base" "$head" -- MAINTAINERS |
		sed -n '/^+++/d; s/^+//p' > "$dir/MAINTAINERS.fragment"
}
