//! Steps as jobs of a Slurm cluster: an array for the steps that need the same and ask for the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use thaw_spec::{SlurmSettings, StepKind, StepResources};
use thaw_store::is_url;

use super::{CellFailure, Launcher, Work, checkpoint_option};
use crate::{Event, Observer, PlanFile, PlannedStep, RunError};

/// Hands the steps of a plan to Slurm, whose jobs run `PROGRAM worker PLAN --step NUMBER`, and does not
/// wait for them.
#[derive(Clone, Debug)]
pub struct Slurm {
    /// The program, which is thaw, as the nodes find it.
    pub program: PathBuf,
    /// The plan.
    pub plan: PlanFile,
    /// Where the nodes find the plan: a file, or the URL of an object.
    pub plan_place: PathBuf,
    /// What the steps ask for.
    pub settings: SlurmSettings,
    /// How often a step is tried again that failed.
    pub retries: usize,
    /// Steps of an array that run at the same time, at most.
    pub at_a_time: Option<usize>,
    /// Where the cache is in an object store: the nodes' folder of copies, if it is not the usual one.
    pub local_cache: Option<PathBuf>,
    /// Least time between two checkpoints of a cell, where it is not the usual.
    pub checkpoint_interval: Option<Duration>,
    /// Folder of what the jobs print, as the nodes find it.
    pub logs: PathBuf,
}

/// Cores of a step, where nothing is said.
pub const SLURM_CPUS: u16 = 4;

/// Memory of a step whose need is not estimated, in bytes.
const MEMORY_BYTES: u64 = 2 << 30;

/// Seconds between the warning that the time is over and the end.
const WARNING_SECONDS: u64 = 120;

/// The length of arrays that clusters allow, where one does not say otherwise.
const ARRAY_LENGTH: usize = 1000;

/// Steps that are submitted as one array: they need the same steps and ask for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    kind: StepKind,
    needs: Vec<usize>,
    resources: StepResources,
    /// Their numbers in the plan.
    steps: Vec<usize>,
}

/// Where in the queue a step is.
#[derive(Clone, Debug)]
struct Submitted {
    job: String,
    /// Its place in the array.
    place: usize,
    /// Length of the array.
    length: usize,
}

impl Launcher for Slurm {
    fn launch(
        &self,
        _work: &Work<'_>,
        observer: &dyn Observer,
    ) -> Result<Vec<CellFailure>, RunError> {
        refuse_a_second_time(&self.plan.experiment, &self.plan.results)?;
        std::fs::create_dir_all(&self.logs)
            .map_err(|source| RunError::Unwritable { path: self.logs.clone(), source })?;
        let mut submitted: BTreeMap<usize, Submitted> = BTreeMap::new();
        for group in self.groups(longest_array()) {
            let options = self.options(&group, &submitted);
            let job =
                submit(&options, &self.script(&group)).map_err(|error| self.give_up(error))?;
            observer.event(&Event::Submitted { job: &job, steps: group.steps.len() });
            let length = group.steps.len();
            for (place, step) in group.steps.into_iter().enumerate() {
                submitted.insert(step, Submitted { job: job.clone(), place, length });
            }
        }
        Ok(Vec::new())
    }
}

impl Slurm {
    /// The name of its jobs, which other results have not.
    fn job_name(&self) -> String {
        job_name(&self.plan.experiment, &self.plan.results)
    }

    /// Takes back what was submitted before something failed.
    fn give_up(&self, error: RunError) -> RunError {
        let name = self.job_name();
        match (answer(Command::new("scancel").args(["--name", &name])), error) {
            (Err(_), RunError::Scheduler { reason }) => RunError::Scheduler {
                reason: format!(
                    "{reason}. What was submitted before is in the queue still: scancel --name {name}"
                ),
            },
            (_, error) => error,
        }
    }

    /// The steps in groups, each behind those that it needs.
    fn groups(&self, longest: usize) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for planned in &self.plan.steps {
            let kind = planned.step.kind();
            let resources = self.resources(planned);
            let found = groups.iter_mut().find(|group| {
                group.kind == kind
                    && group.needs == planned.needs
                    && group.resources == resources
                    && group.steps.len() < longest
            });
            match found {
                Some(group) => group.steps.push(planned.number),
                None => groups.push(Group {
                    kind,
                    needs: planned.needs.clone(),
                    resources,
                    steps: vec![planned.number],
                }),
            }
        }
        groups
    }

    /// What a step asks for; where nothing is said, what the plan estimates, with a margin.
    fn resources(&self, planned: &PlannedStep) -> StepResources {
        let said = self.settings.of(planned.step.kind());
        let estimated = planned.memory_bytes.map_or(MEMORY_BYTES, with_margin);
        StepResources {
            memory: said.memory.or_else(|| Some(memory(estimated))),
            time: said.time.or_else(|| planned.seconds.map(time)),
            cpus: said.cpus.or(Some(SLURM_CPUS)),
            ..said
        }
    }

    /// The batch script of a group.
    fn script(&self, group: &Group) -> String {
        let mut script = "#!/bin/bash\n".to_owned();
        for line in &self.settings.setup {
            let _ = writeln!(script, "{line}");
        }
        let numbers: Vec<String> = group.steps.iter().map(usize::to_string).collect();
        let _ = writeln!(script, "steps=({})", numbers.join(" "));
        let _ = writeln!(script, "kind={}", group.kind.name());
        let goes_on = if self.goes_on(group.kind) { "yes" } else { "" };
        let _ = writeln!(script, "goes_on={goes_on}");
        let _ = writeln!(script, "worker=({})", self.worker(group));
        let _ = writeln!(script, "tries={}", self.retries + 1);
        script + BODY
    }

    /// Whether a step that was stopped goes on from there in another job. What an extraction had written
    /// lies in the folder of the cache, which jobs with an object store do not share.
    fn goes_on(&self, kind: StepKind) -> bool {
        match kind {
            StepKind::Decode => false,
            StepKind::Extract => !is_url(&self.plan.cache),
            StepKind::Fit => true,
        }
    }

    /// The options of `sbatch` for a group.
    fn options(&self, group: &Group, submitted: &BTreeMap<usize, Submitted>) -> Vec<String> {
        let StepResources { partition, constraint, time, memory, cpus, gpus } = &group.resources;
        let at_a_time = self.at_a_time.map_or_else(String::new, |count| format!("%{count}"));
        let mut options = vec![
            format!("--job-name={}", self.job_name()),
            format!("--array=0-{}{at_a_time}", group.steps.len() - 1),
            format!("--output={}/%A_%a.log", self.logs.display().to_string().replace('%', "%%")),
            "--open-mode=append".to_owned(),
            "--requeue".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--signal=B:USR1@{WARNING_SECONDS}"),
        ];
        let named = [
            ("partition", partition.clone()),
            ("account", self.settings.account.clone()),
            ("qos", self.settings.qos.clone()),
            ("constraint", constraint.clone()),
            ("time", time.clone()),
            ("mem", memory.clone()),
            ("cpus-per-task", cpus.map(|count| count.to_string())),
            ("gpus", gpus.filter(|count| *count > 0).map(|count| count.to_string())),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        options.extend(named.map(|(name, value)| format!("--{name}={value}")));
        options.extend(self.settings.options.iter().cloned());
        let needed: Vec<&Submitted> =
            group.needs.iter().filter_map(|step| submitted.get(step)).collect();
        if !needed.is_empty() {
            options.push(format!("--dependency=afterok:{}", jobs(&needed).join(":")));
            options.push("--kill-on-invalid-dep=yes".to_owned());
        }
        options
    }

    /// The command of a worker, without the step.
    fn worker(&self, group: &Group) -> String {
        let mut words = vec![
            quoted(&self.program.to_string_lossy()),
            "worker".to_owned(),
            quoted(&self.plan_place.to_string_lossy()),
            "--wait=10min".to_owned(),
            "--threads=${SLURM_CPUS_PER_TASK:-1}".to_owned(),
        ];
        if is_url(&self.plan.cache) {
            words.push(match &self.local_cache {
                Some(folder) => format!("--local-cache={}", quoted(&folder.to_string_lossy())),
                // Jobs on one node share the copies.
                None => "--local-cache=\"${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/thaw-cache-$(id -un)\""
                    .to_owned(),
            });
        }
        words.extend(checkpoint_option(self.checkpoint_interval));
        if group.resources.asks_for_gpus() && group.kind != StepKind::Decode {
            words.push("--device=cuda:0".to_owned());
        }
        words.join(" ")
    }
}

/// The end of every batch script. A worker that is asked to stop writes a checkpoint; where the job was
/// not cancelled, it is queued again and goes on from there. One that fails is tried again, unless
/// that can be of no use.
const BODY: &str = r#"step=${steps[$SLURM_ARRAY_TASK_ID]}
task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
asked=
ask() { asked=$1; kill -TERM "$pid" 2> /dev/null; }
trap 'ask stop' TERM
trap 'ask time' USR1
queue_again() {
    if [ "${SLURM_RESTART_COUNT:-0}" -ge 100 ]; then
        echo "thaw: step $step was queued again 100 times; no more"
    elif [ "$(squeue --noheader --format=%T --job "$task")" != RUNNING ]; then
        echo "thaw: stopped; the next sweep goes on from here"
    elif scontrol requeue "$task"; then
        echo "thaw: stopped; $task is queued again"
        sleep 600
    else
        echo "thaw: stopped; $task cannot be queued again, and the next sweep goes on from here"
    fi
}
for ((try = 1; try <= tries; try++)); do
    "${worker[@]}" --step "$step" &
    pid=$!
    # A signal ends the waiting, not the worker.
    while wait "$pid"; code=$?; kill -0 "$pid" 2> /dev/null; do :; done
    case $code in
    0 | 64 | 65 | 78) exit $code ;;
    esac
    if [ "$asked" = time ] && [ -z "$goes_on" ]; then
        echo "thaw: step $step needs more time than it was given, and cannot go on from there; raise time in [launcher.slurm.$kind]"
        exit 143
    fi
    if [ -n "$asked" ] || [ $code = 143 ]; then
        queue_again
        exit 143
    fi
    echo "thaw: step $step ended with code $code in try $try of $tries"
done
exit $code
"#;

/// The name of the jobs of an experiment, which other results have not.
fn job_name(experiment: &str, results: &Path) -> String {
    let hash = thaw_spec::ContentHash::of_bytes(results.to_string_lossy().as_bytes());
    format!("thaw-{experiment}-{}", &hash.short()[..8])
}

/// Refuses where jobs of the same results are in the queue: they would do the same twice.
///
/// # Errors
/// When there are such jobs, or this is no machine of a cluster.
pub fn refuse_a_second_time(experiment: &str, results: &Path) -> Result<(), RunError> {
    let name = job_name(experiment, results);
    let listed = answer(Command::new("squeue").args([
        "--me",
        "--noheader",
        "--format=%F",
        "--name",
        &name,
    ]))?;
    let mut jobs: Vec<u64> = listed.split_whitespace().filter_map(|job| job.parse().ok()).collect();
    jobs.sort_unstable();
    jobs.dedup();
    if jobs.is_empty() {
        return Ok(());
    }
    let jobs: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let jobs = jobs.join(", ");
    Err(RunError::InTheQueue { jobs, name })
}

/// Submitted steps as `afterok` wants them: a job where all of its array is meant, else its tasks.
fn jobs(needed: &[&Submitted]) -> Vec<String> {
    let mut places: BTreeMap<&str, (usize, Vec<usize>)> = BTreeMap::new();
    for submitted in needed {
        let (length, places) = places.entry(&submitted.job).or_default();
        *length = submitted.length;
        places.push(submitted.place);
    }
    let named = |(job, (length, places)): (&str, (usize, Vec<usize>))| {
        if places.len() == length {
            vec![job.to_owned()]
        } else {
            places.into_iter().map(|place| format!("{job}_{place}")).collect()
        }
    };
    places.into_iter().flat_map(named).collect()
}

/// Half as much again and a gigabyte, for the base, the program and the files that it reads.
fn with_margin(bytes: u64) -> u64 {
    bytes + bytes / 2 + (1 << 30)
}

/// Memory as `sbatch` wants it, rounded up so that many steps ask for the same.
fn memory(bytes: u64) -> String {
    let gibibytes = bytes.div_ceil(1 << 30);
    let step = (gibibytes.next_power_of_two() / 4).max(1);
    format!("{}G", gibibytes.div_ceil(step) * step)
}

/// Three times the estimate, for slower nodes, and a quarter of an hour, as `sbatch` wants it and
/// rounded up so that many steps ask for the same.
fn time(seconds: f64) -> String {
    let quarters = (seconds * 3.0 / 900.0).ceil() as u64 + 1;
    let step = (quarters.next_power_of_two() / 4).max(1);
    let quarters = quarters.div_ceil(step) * step;
    format!("{}:{:02}:00", quarters / 4, quarters % 4 * 15)
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The length of arrays that this cluster allows.
fn longest_array() -> usize {
    let settings = answer(Command::new("scontrol").args(["show", "config"])).unwrap_or_default();
    let allowed = settings
        .lines()
        .find_map(|line| line.strip_prefix("MaxArraySize")?.split('=').nth(1)?.trim().parse().ok());
    // The limit is on the largest index.
    allowed.unwrap_or(ARRAY_LENGTH + 1).saturating_sub(1).clamp(1, ARRAY_LENGTH)
}

fn submit(options: &[String], script: &str) -> Result<String, RunError> {
    let missing = |error: std::io::Error| missing("sbatch", &error);
    // On the command line they stand above the variables of the environment.
    let mut sbatch = Command::new("sbatch")
        .arg("--parsable")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut input) = sbatch.stdin.take() {
        // Where it has ended already, it says why.
        let _ = input.write_all(script.as_bytes());
    }
    let output = sbatch.wait_with_output().map_err(missing)?;
    if !output.status.success() {
        return Err(refused("sbatch", &output.stderr));
    }
    let job = String::from_utf8_lossy(&output.stdout);
    // Behind a semicolon comes the cluster.
    Ok(job.trim().split(';').next().unwrap_or_default().to_owned())
}

/// What a command of Slurm prints.
fn answer(command: &mut Command) -> Result<String, RunError> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.output().map_err(|error| missing(&name, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(refused(&name, &output.stderr))
    }
}

fn missing(command: &str, error: &std::io::Error) -> RunError {
    let reason = format!(
        "`{command}` cannot be started ({error}): this is no machine of a Slurm cluster; submit from one that is, or choose another --launcher"
    );
    RunError::Scheduler { reason }
}

fn refused(command: &str, said: &[u8]) -> RunError {
    let said = String::from_utf8_lossy(said);
    let lines = said.lines().map(|line| {
        let line = line.trim();
        line.strip_prefix(&format!("{command}: ")).unwrap_or(line).trim_start_matches("error: ")
    });
    let said = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    let remedy = match command {
        "sbatch" => {
            "; nothing is submitted. Where it is about what the steps ask for, mend [launcher.slurm]"
        }
        _ => "",
    };
    RunError::Scheduler { reason: format!("Slurm refuses ({command} says: {said}){remedy}") }
}

#[cfg(test)]
mod tests {
    use thaw_data::OnUnreadable;
    use thaw_spec::{ContentHash, Inputs, LauncherSettings, Sharing};

    use super::*;
    use crate::ImageSource;

    /// A launcher with these settings, for a plan of no steps.
    fn launcher(settings: &str, checkpoint_interval: Option<Duration>) -> Slurm {
        let settings = LauncherSettings::parse("site.toml", settings).expect("settings").slurm;
        let hash = ContentHash::of_bytes(b"images and weights");
        let plan = PlanFile {
            format: 1,
            thaw: String::new(),
            experiment: "tiny".to_owned(),
            images: ImageSource::Folder(PathBuf::from("/images")),
            listing: hash.clone(),
            inputs: Inputs { dataset: hash.clone(), weights: hash, classes: Vec::new() },
            weights: None,
            trained_with: None,
            cache: PathBuf::from("/cache"),
            results: PathBuf::from("/results"),
            device: "cpu".to_owned(),
            sharing: Sharing::ByContent,
            unreadable: OnUnreadable::Refuse,
            fault: None,
            repeat: false,
            steps: Vec::new(),
        };
        Slurm {
            program: PathBuf::from("thaw"),
            plan,
            plan_place: PathBuf::from("/results/plan.json"),
            settings,
            retries: 0,
            at_a_time: None,
            local_cache: None,
            checkpoint_interval,
            logs: PathBuf::from("/logs"),
        }
    }

    /// What a training asks for, and how its worker is called.
    fn training(slurm: &Slurm) -> (Vec<String>, String) {
        let resources = slurm.settings.of(StepKind::Fit);
        let group = Group { kind: StepKind::Fit, needs: Vec::new(), resources, steps: vec![0] };
        (slurm.options(&group, &BTreeMap::new()), slurm.worker(&group))
    }

    #[test]
    fn workers_keep_to_the_time_between_checkpoints_that_was_asked_for() {
        let settings = "[launcher.slurm]";
        let (_, usual) = training(&launcher(settings, None));
        assert!(!usual.contains("--checkpoint-every"), "{usual}");
        for (interval, option) in [
            (Duration::from_millis(90_500), "--checkpoint-every=90s500ms"),
            (Duration::MAX, "--checkpoint-every=18446744073709551615s999ms"),
        ] {
            let (_, worker) = training(&launcher(settings, Some(interval)));
            assert!(worker.split(' ').any(|word| word == option), "{worker}");
        }
    }

    #[test]
    fn no_gpus_are_asked_for_where_their_number_is_0() {
        for (gpus, asks) in [("", false), ("gpus = 0", false), ("gpus = 2", true)] {
            let (options, worker) = training(&launcher(&format!("[launcher.slurm]\n{gpus}"), None));
            let option = options.iter().any(|option| option == "--gpus=2");
            assert_eq!((option, worker.contains("--device=cuda:0")), (asks, asks), "{gpus}");
            assert!(asks || !options.iter().any(|option| option.contains("gpus")), "{options:?}");
        }
    }

    #[test]
    fn memory_and_time_are_rounded_up_to_few_amounts() {
        let gibibytes = |count: u64| memory(count << 30);
        assert_eq!([1, 2, 3, 4, 5, 6, 9, 17].map(gibibytes).join(" "), "1G 2G 3G 4G 6G 6G 12G 24G");
        assert_eq!(memory((5 << 30) + 1), "6G");
        assert_eq!(
            [0.0, 10.0, 301.0, 3600.0, 20_000.0].map(time),
            ["0:15:00", "0:30:00", "0:45:00", "4:00:00", "24:00:00"]
        );
    }

    #[test]
    fn a_whole_array_is_named_by_its_job() {
        let of = |job: &str, place, length| Submitted { job: job.to_owned(), place, length };
        let [one, two, three] = [of("7", 0, 2), of("7", 1, 2), of("8", 1, 3)];
        assert_eq!(jobs(&[&one, &two, &three]), ["7", "8_1"]);
        assert_eq!(jobs(&[&two]), ["7_1"]);
    }

    #[test]
    fn words_of_the_shell_are_quoted() {
        assert_eq!(quoted("a b's"), r"'a b'\''s'");
        for word in ["$(touch x)", "`id`", "a\n#SBATCH --x", "\"\\'", "-rf", "", "\u{1b}[2J!x"] {
            let script = format!("printf %s {}", quoted(word));
            let output = Command::new("bash").args(["-c", &script]).output().expect("a shell");
            assert_eq!(output.stdout, word.as_bytes(), "{script}");
        }
    }
}
