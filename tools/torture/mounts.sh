#!/usr/bin/env bash
# Sweeps on file systems that fill up, run into a quota or become read-only: tools/torture/mounts.sh THAW [STEPS]
# THAW is the program; each kind of fault comes at STEPS sizes or moments (8). Only root may mount; others are told so.
# After each fault the sweep must have said in one sentence what it cannot write and why, with the exit code 73 or 70; what had ended
# must be there unchanged, the same command must go on once there is room, and all metrics must be those of a lone sweep.
set -euo pipefail
thaw="$(realpath "$1")"
steps="${2:-8}"
experiment="$(cd "$(dirname "$0")/../.." && pwd)/experiments/miniature.toml"
work="$(mktemp -d)"
mount="$work/mount"
mkdir "$mount"
log="$work/log"
unset THAW_CACHE THAW_RESULTS

if [ "$(uname)" != Linux ] || [ "$(id -u)" != 0 ] || ! mount -t tmpfs -o size=1m thaw-torture "$mount" 2> /dev/null; then
    echo "skipped: no file systems can be mounted, which needs Linux and root"
    rm -rf "$work"
    exit
fi
umount "$mount"
release() { while mountpoint --quiet "$mount"; do umount "$mount" || sleep 0.2; done; }
trap 'release; rm -rf "$work"' EXIT

# sweep RESULTS CACHE: two cells of the miniature, one of which has two phases, with a checkpoint after every batch.
which=(--seeds 0 --epochs 2)
cells=(--only regime=cached --only regime=fine_tuned --only augmentation=none --only preprocessing=caffe --only dropout=0.0)
sweep() {
    "$thaw" sweep "$experiment" --quiet "${which[@]}" "${cells[@]}" --threads 1 --jobs 1 --checkpoint-every 1ms --results "$1" --cache "$2" \
        > "$work/out" 2> "$log"
}
# metrics RESULTS: the columns that a cell determines, without those of time.
metrics() {
    "$thaw" export "$experiment" "${which[@]}" --results "$1" --format csv --output "$work/metrics.csv" > /dev/null
    cut -d, -f1-16 "$work/metrics.csv"
    rm "$work/metrics.csv"
}
# ended RESULTS: the files of the cells that have ended, with their hashes.
ended() {
    local outcome
    for outcome in "$1"/miniature/cells/*/outcome.json; do
        [ ! -e "$outcome" ] || sha256sum "$(dirname "$outcome")"/*
    done | sort
}
fail() {
    echo "failed: $*" >&2
    cat "$log" >&2
    exit 1
}

begun="$(date +%s.%N)"
sweep "$work/alone" "$work/cache" || fail "a lone sweep"
whole="$(awk "BEGIN { print $(date +%s.%N) - $begun }")"
metrics "$work/alone" > "$work/metrics"
grep -q "seed=0.*,completed,2," "$work/metrics" || fail "a lone sweep has no metrics"

# said NAME CODE: the sweep had reason to say what went wrong, and did.
said() {
    [ "$2" = 73 ] || [ "$2" = 70 ] || fail "$1: exit code $2"
    grep -q "panicked" "$log" && fail "$1: a panic"
    # A failed cell is named by a line of its own before the last sentence.
    [ "$(grep -c "^thaw: " "$log")" = 1 ] || fail "$1: not one sentence"
    grep -q "$reason" "$log" || fail "$1: the reason is not said"
}
# again NAME RESULTS CACHE: the same command goes on, loses nothing and leaves nothing behind.
again() {
    ended "$2" > "$work/ended"
    local seen=0
    "$thaw" doctor "$experiment" --results "$2" --cache "$3" > /dev/null 2>&1 || seen=$?
    # What is not there yet is not damaged.
    [ "$seen" = 0 ] || [ "$seen" = 66 ] || fail "$1: something is half-written"
    sweep "$2" "$3" || fail "$1: the same command does not go on"
    ended "$2" > "$work/ended-now"
    [ -z "$(comm -23 "$work/ended" "$work/ended-now")" ] || fail "$1: what had ended was run again"
    metrics "$2" | diff - "$work/metrics" > /dev/null || fail "$1: other metrics"
    [ -z "$(find "$2" "$3" -name ".thaw-*" -o -path "*/claims/*" ! -name .lock -o -path "*/checkpoints/*" -type f)" ] || fail "$1: something was left behind"
}
# tried NAME RESULTS CACHE ROOM: one sweep with a fault, ROOM, which makes room, and the same sweep again.
tried() {
    local code=0
    faults=$((faults + 1))
    sweep "$2" "$3" || code=$?
    if [ "$code" = 0 ]; then unharmed=$((unharmed + 1)); else said "$1" "$code"; fi
    codes="$codes $code"
    kept="$kept $(ended "$2" | grep -c outcome.json || true)"
    "$4"
    again "$1" "$2" "$3"
}
begin() {
    reason="$1"
    faults=0 unharmed=0 codes="" kept=""
}
end() { echo "$1: $faults faults, $unharmed of them without harm; exit codes:$codes; cells that had ended:$kept; nothing lost, all metrics equal"; }

# Everything on a small file system in memory, from too small for the first file to almost enough.
begin "No space left on device"
grow() { mount -o remount,size=200m "$mount"; }
for step in $(seq 1 "$steps"); do
    mount -t tmpfs -o "size=$((36000 * step / steps))k" thaw-torture "$mount"
    tried "a full disk, step $step" "$mount/runs" "$mount/cache" grow
    release
done
end "a full tmpfs, results and cache"

# The results alone, so that records, claims and the report are what does not fit.
begin "No space left on device"
for step in $(seq 1 "$steps"); do
    # The first steps are small, for the records are; figures and the report take the rest.
    mount -t tmpfs -o "size=$((4 + 960 * step * step / steps / steps))k" thaw-torture "$mount"
    tried "full results, step $step" "$mount/runs" "$work/cache" grow
    release
done
end "a full tmpfs, results alone"

# A file system with a disk behind it, where space is found missing later than a write.
begin "No space left on device"
truncate -s 64M "$work/disk"
if mkfs.ext4 -q -F "$work/disk" 2> /dev/null && mount -o loop "$work/disk" "$mount" 2> /dev/null; then
    make_room() { rm "$mount/ballast"; }
    for step in $(seq 1 "$steps"); do
        rm -rf "${mount:?}"/runs "${mount:?}"/cache
        fallocate -l "$(($(df --output=avail -B1 "$mount" | tail -1) - 36864000 * step / steps))" "$mount/ballast"
        tried "a full ext4, step $step" "$mount/runs" "$mount/cache" make_room
    done
    release
    end "a full ext4"
else
    echo "a full ext4: skipped, no loop device or no mkfs.ext4"
fi

# A quota: that of a subvolume, which binds root too.
begin "Quota exceeded\|quota exceeded"
rm -f "$work/disk"
truncate -s 512M "$work/disk"
if mkfs.btrfs -q "$work/disk" > /dev/null 2>&1 && mount -o loop "$work/disk" "$mount" 2> /dev/null && btrfs quota enable "$mount"; then
    raise() { btrfs qgroup limit none "$mount/ours"; }
    for step in $(seq 1 "$steps"); do
        btrfs subvolume create "$mount/ours" > /dev/null
        btrfs qgroup limit "$((36000 * step / steps))K" "$mount/ours"
        tried "a quota, step $step" "$mount/ours/runs" "$mount/ours/cache" raise
        btrfs subvolume delete --commit-after "$mount/ours" > /dev/null
    done
    release
    end "a quota of btrfs"
else
    echo "a quota: skipped, no loop device, no mkfs.btrfs or no quotas in it"
    release
fi
rm -f "$work/disk"

# Read-only from a moment on: before the sweep begins, or within it.
begin "Read-only file system"
wait_and_writable() {
    wait
    mount -o remount,bind,rw "$mount"
}
for step in $(seq 0 "$((steps - 1))"); do
    rm -rf "$work/place"
    mkdir "$work/place"
    mount --bind "$work/place" "$mount"
    if [ "$step" = 0 ]; then
        mount -o remount,bind,ro "$mount"
    else
        # As soon as no file is open for writing there; the system refuses it before.
        (
            sleep "$(awk "BEGIN { print $step * $whole / $steps }")"
            until mount -o remount,bind,ro "$mount" 2> /dev/null; do sleep 0.01; done
        ) &
    fi
    tried "read-only, step $step" "$mount/runs" "$mount/cache" wait_and_writable
    release
done
end "a mount that becomes read-only"

# What is there can be read where nothing can be written.
mount --bind "$work/place" "$mount"
mount -o remount,bind,ro "$mount"
results="$mount/runs"
"$thaw" status "$experiment" "${which[@]}" --results "$results" > /dev/null 2> "$log" || fail "read-only results: status"
"$thaw" doctor "$experiment" --results "$results" --cache "$mount/cache" > /dev/null 2> "$log" || fail "read-only results: doctor"
metrics "$results" 2> "$log" | diff - "$work/metrics" > /dev/null || fail "read-only results: export"
code=0
"$thaw" report "$experiment" "${which[@]}" --results "$results" > /dev/null 2> "$log" || code=$?
said "read-only results: report" "$code"
release
echo "read-only results: status, doctor and export read them, and report says that it cannot write"
