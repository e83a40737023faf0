#!/usr/bin/env bash
# A Slurm cluster on one machine, for tests: a controller and some nodes, all of the user who starts it.
#
#     eval "$(tools/slurm/cluster.sh start FOLDER [NODES])"    # then sbatch, squeue … find it by SLURM_CONF
#     tools/slurm/cluster.sh node FOLDER NUMBER                 # starts a node that was stopped
#     tools/slurm/cluster.sh stop FOLDER
#
# Needs Debian's slurm-wlm and munge. FOLDER keeps its settings, logs and state; nothing outside it is touched.
set -euo pipefail

PORT=17400
CORES=2

node() {
    # Each node is known by its name and port; all of them are this machine.
    slurmd -N "node$2" -f "$1/slurm.conf" > /dev/null 2> "$1/log/node$2.err"
}

# Where the system has cgroups that this user may not write, Slurm does without.
settings() {
    local folder="$1" nodes="$2"
    cat << END
ClusterName=thaw
SlurmctldHost=$(hostname)(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CryptoType=crypto/munge
SlurmctldPort=$PORT
SlurmdSpoolDir=$folder/spool/%n
SlurmdPidFile=$folder/%n.pid
SlurmdLogFile=$folder/log/%n.log
SlurmctldPidFile=$folder/controller.pid
SlurmctldLogFile=$folder/log/controller.log
StateSaveLocation=$folder/state
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
MaxArraySize=1001
KillWait=10
MinJobAge=3600
SlurmdTimeout=30
JobRequeue=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
END
    for ((number = 1; number <= nodes; number++)); do
        echo "NodeName=node$number NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$((PORT + number)) CPUs=$CORES RealMemory=65536 State=UNKNOWN"
    done
    echo "PartitionName=short Nodes=ALL Default=YES MaxTime=INFINITE State=UP"
}

start() {
    local folder nodes="${2:-2}"
    mkdir -p "$1"
    folder="$(cd "$1" && pwd)"
    mkdir -p "$folder/log" "$folder/state"
    for ((number = 1; number <= nodes; number++)); do mkdir -p "$folder/spool/node$number"; done
    chmod 755 "$folder" "$folder"/*
    (umask 077 && dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none)
    settings "$folder" "$nodes" > "$folder/slurm.conf"
    export SLURM_CONF="$folder/slurm.conf"
    munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
        --pid-file="$folder/munge.pid" --log-file="$folder/log/munge.log" --seed-file="$folder/munge.seed"
    slurmctld -f "$SLURM_CONF" > /dev/null 2> "$folder/log/controller.err"
    for ((number = 1; number <= nodes; number++)); do node "$folder" "$number"; done
    for ((second = 0; second < 60; second++)); do
        if [ "$(sinfo --noheader --format=%T 2> /dev/null | sort -u)" = idle ]; then
            echo "export SLURM_CONF='$SLURM_CONF'"
            return
        fi
        sleep 1
    done
    echo "the nodes do not come up; see $folder/log" >&2
    sinfo >&2 || true
    return 1
}

stop() {
    for pid in "$1"/*.pid; do
        if [ -f "$pid" ]; then kill "$(cat "$pid")" 2> /dev/null || true; fi
    done
}

"$@"
