"""The configuration files of the throw-away Slurm, rendered for one directory and one set of ports."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

CLUSTER_NAME = "fake"
GPUS_PER_NODE = 8
CPUS_PER_NODE = 64
MEMORY_PER_NODE = 200_000  # MB


@dataclass(frozen=True)
class Site:
    """What the files of one cluster say; `changes` replaces or adds lines of slurm.conf by key."""

    directory: Path
    nodes: tuple[str, ...]
    controller_port: int
    accounting_port: int | None  # None: a site without accounting, where sacct fails
    node_ports: tuple[int, ...]
    version: tuple[int, int]
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def conf(self) -> Path:
        return self.directory / "etc" / "slurm.conf"

    @property
    def munge_socket(self) -> Path:
        return self.directory / "run" / "munge.socket"

    def files(self) -> dict[str, str]:
        """Text of each file by its name under etc/."""
        made = {
            "slurm.conf": self._slurm(),
            "gres.conf": self._gres(),
            "cgroup.conf": self._cgroup(),
            "plugstack.conf": "",
        }
        if self.accounting_port is not None:
            made["slurmdbd.conf"] = self._slurmdbd()
        return made

    def _slurm(self) -> str:
        top, host = self.directory, socket.gethostname().split(".")[0]
        lines = {
            "ClusterName": CLUSTER_NAME,
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": str(self.controller_port),
            "SlurmUser": "root",
            "AuthType": "auth/munge",
            # The delay before a requeued job may start again is cred_expire + 1 s (120 s by default); it
            # has to be longer than the killing of a job takes.
            "AuthInfo": f"socket={self.munge_socket},cred_expire=6",
            "StateSaveLocation": f"{top}/state",
            "SlurmdSpoolDir": f"{top}/spool/%n",
            "SlurmctldPidFile": f"{top}/run/slurmctld.pid",
            "SlurmdPidFile": f"{top}/run/%n.pid",
            "SlurmctldLogFile": f"{top}/log/slurmctld.log",
            "SlurmdLogFile": f"{top}/log/%n.log",
            "PlugStackConfig": f"{top}/etc/plugstack.conf",
            "MailProg": "/bin/true",
            # No cgroups: a container that runs tests seldom has any to give.
            "ProctrackType": "proctrack/linuxproc",
            "JobAcctGatherType": "jobacct_gather/linux",
            "JobAcctGatherFrequency": "task=1",
            # Without cgroups it is this that ends a job above its --mem; not as OUT_OF_MEMORY, see README.
            "JobAcctGatherParams": "OverMemoryKill",
            "ReturnToService": "1",
            # Short timers: what takes a production site minutes takes these tests seconds.
            "SlurmctldTimeout": "30",
            "SlurmdTimeout": "6",
            "MessageTimeout": "5",
            "KillWait": "2",
            "CompleteWait": "0",
            "MinJobAge": "300",
            "JobRequeue": "1",
            "MaxJobCount": "50000",
            "MaxArraySize": "20001",
            "SchedulerType": "sched/backfill",
            "SchedulerParameters": "sched_interval=1,sched_min_interval=20000,batch_sched_delay=0,"
            "bf_interval=1,bf_continue,default_queue_depth=1000,partition_job_depth=1000",
            "DependencyParameters": "kill_invalid_depend",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU_Memory",
            "PriorityType": "priority/multifactor",
            # A job of the interactive partition takes the place of one of batch, which is requeued.
            "PreemptType": "preempt/partition_prio",
            "PreemptMode": "REQUEUE",
            "GresTypes": "gpu",
            # The nodes are larger than the machine.
            "SlurmdParameters": "config_overrides",
            "DefMemPerCPU": "2000",
            **self._accounting(),
            **self.changes,
        }
        text = [f"{key}={value}" for key, value in lines.items()]
        for node, port in zip(self.nodes, self.node_ports, strict=True):
            text.append(
                f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS_PER_NODE} "
                f"RealMemory={MEMORY_PER_NODE} Gres=gpu:h200:{GPUS_PER_NODE} Feature=gpu,fake State=UNKNOWN"
            )
        everywhere = f"Nodes={','.join(self.nodes)} State=UP"
        text += [
            f"PartitionName=batch {everywhere} Default=YES MaxTime=2-00:00:00 DefaultTime=01:00:00 "
            "PriorityTier=1 PreemptMode=REQUEUE GraceTime=3",
            f"PartitionName=interactive {everywhere} MaxTime=04:00:00 DefaultTime=00:30:00 "
            "PriorityTier=10 PreemptMode=OFF",
            f"PartitionName=cpu {everywhere} MaxTime=2-00:00:00 DefaultTime=01:00:00 "
            "PriorityTier=1 PreemptMode=OFF",
        ]
        return "\n".join(text) + "\n"

    def _accounting(self) -> dict[str, str]:
        if self.accounting_port is None:
            return {"AccountingStorageType": "accounting_storage/none"}
        return {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "127.0.0.1",
            "AccountingStoragePort": str(self.accounting_port),
            "AccountingStoragePass": str(self.munge_socket),
            "AccountingStorageTRES": "gres/gpu",
            "AccountingStorageEnforce": "associations,limits,qos",
        }

    def _slurmdbd(self) -> str:
        top = self.directory
        lines = {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.munge_socket}",
            "DbdHost": "localhost",
            "DbdAddr": "127.0.0.1",
            "DbdPort": str(self.accounting_port),
            "SlurmUser": "root",
            "LogFile": f"{top}/log/slurmdbd.log",
            "PidFile": f"{top}/run/slurmdbd.pid",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "localhost",
            "StorageUser": "root",
            "StorageLoc": "slurm_acct_db",
            "CommitDelay": "1",
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())

    def _gres(self) -> str:
        # Devices must be character devices: with plain files, or a bare count, the nodes come up invalid.
        return (
            f"AutoDetect=off\nNodeName={','.join(self.nodes)} Name=gpu Type=h200 "
            f"File={self.directory}/dev/nvidia[0-{GPUS_PER_NODE - 1}]\n"
        )

    def _cgroup(self) -> str:
        # Newer daemons look for a cgroup tree at start unless told not to; older ones refuse the word.
        return "CgroupPlugin=disabled\n" if self.version >= (23, 11) else "CgroupAutomount=no\n"
