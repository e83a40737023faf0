//! The order of work on one machine: artifacts one after the other, cells side by side.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use thaw_spec::{Cell, CostFacts, Plan, Step};

use crate::launch::{CellFailure, Limits};
use crate::steps::{Item, POLL, StepEnd, images};
use crate::{Event, Observer, RunError};

/// Does single steps for a schedule.
pub(crate) trait Hands: Sync {
    /// What one step at a time is run with.
    type Slot: Sync;

    /// Slots for so many steps side by side, each with so many threads; all are made before the first
    /// step begins, so that a system that refuses them is heard of.
    fn slots(&self, jobs: usize, threads: usize) -> Result<Vec<Self::Slot>, RunError>;

    /// Runs a step.
    fn run(&self, slot: &Self::Slot, item: &Item<'_>) -> Result<StepEnd, RunError>;

    /// Memory that training a cell needs, in bytes.
    fn memory_bytes(&self, cell: &Cell) -> Result<u64, RunError>;
}

/// A plan that is executed on this machine.
pub(crate) struct Schedule<'a, H> {
    pub(crate) plan: &'a Plan,
    pub(crate) facts: &'a CostFacts,
    pub(crate) limits: &'a Limits,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) hands: &'a H,
}

/// A step's estimated work in multiply-adds, by which cells are weighed against each other. Forward and
/// backward together cost about three forward passes; the head's memory traffic makes its steps dear for
/// their arithmetic.
pub(crate) fn work(plan: &Plan, step: &Step, facts: &CostFacts) -> f64 {
    let cost = plan.cost(step, facts);
    (cost.forward_multiply_adds + 3 * cost.trained_multiply_adds + 8 * cost.head_multiply_adds)
        as f64
        + cost.decoded_images as f64 * 1e8
}

/// The stages of a plan: an artifact that is made with all threads, or cells without an artifact between
/// them.
pub(crate) fn stages(plan: &Plan) -> Vec<Vec<usize>> {
    let is_fit = |number: usize| matches!(plan.steps[number], Step::Fit(_));
    let numbers: Vec<usize> = (0..plan.steps.len()).collect();
    let stages = numbers.chunk_by(|one, next| is_fit(*one) && is_fit(*next));
    stages.map(<[usize]>::to_vec).collect()
}

/// How cells are run that need so much memory each: how many side by side, which of them so, and which
/// one after the other with all threads.
pub(crate) fn arranged<T>(
    batch: Vec<T>,
    limits: &Limits,
    memory_bytes: u64,
    share: impl Fn(&T) -> f64,
) -> (usize, [Vec<T>; 2]) {
    // A fifth of the memory is left to the system's file cache, from which activations are read.
    let by_memory = limits
        .memory_bytes
        .map_or(usize::MAX, |bytes| (bytes / 5 * 4 / memory_bytes.max(1)) as usize);
    let jobs = limits.jobs.unwrap_or(limits.threads.min(by_memory)).clamp(1, batch.len().max(1));
    let parts = match limits.jobs {
        None => divided(batch, jobs, &share),
        // A person who asks for so many cells at a time gets them.
        Some(_) => [longest_first(batch, &share), Vec::new()],
    };
    let jobs = jobs.min(parts[0].len()).max(1);
    (jobs, parts)
}

impl<H: Hands> Schedule<'_, H> {
    /// Executes the plan; returns the cells that failed.
    pub(crate) fn execute(&self) -> Result<Vec<CellFailure>, RunError> {
        let works: Vec<f64> =
            self.plan.steps.iter().map(|step| work(self.plan, step, self.facts)).collect();
        let total = works.iter().sum::<f64>().max(1.0);
        let item = |number: usize| {
            let step = &self.plan.steps[number];
            Item { number, step, images: images(step, self.facts), share: works[number] / total }
        };
        let (mut failures, mut elsewhere) = (Vec::new(), Vec::new());
        for stage in stages(self.plan) {
            let items: Vec<Item<'_>> = stage.into_iter().map(item).collect();
            match items[..] {
                [artifact] if !matches!(artifact.step, Step::Fit(_)) => {
                    for slot in &self.hands.slots(1, self.limits.threads)? {
                        self.hands.run(slot, &artifact)?;
                    }
                }
                _ => {
                    let done = self.train(items, false)?;
                    failures.extend(done.failures);
                    elsewhere.extend(done.elsewhere);
                }
            }
        }
        // Those of others come last of all: they may fail, or their worker may die.
        failures.extend(self.train(elsewhere, true)?.failures);
        Ok(failures)
    }

    /// Trains cells: many side by side with equal shares of the threads, those that would leave
    /// threads idle one after the other with all of them. Those that other workers train are waited
    /// for, or told.
    fn train<'a>(&self, batch: Vec<Item<'a>>, waits: bool) -> Result<Done<'a>, RunError> {
        let cells = batch.iter().filter_map(|item| match item.step {
            Step::Fit(cell) => Some(cell),
            _ => None,
        });
        let memory = cells.map(|cell| self.hands.memory_bytes(cell));
        let largest = memory.collect::<Result<Vec<_>, _>>()?.into_iter().max().unwrap_or(1);
        let (jobs, [narrow, wide]) = arranged(batch, self.limits, largest, |item| item.share);
        let mut all = Done::default();
        for (batch, jobs) in [(narrow, jobs), (wide, 1)] {
            let done = self.train_side_by_side(batch, jobs, waits)?;
            all.failures.extend(done.failures);
            all.elsewhere.extend(done.elsewhere);
        }
        Ok(all)
    }

    /// Trains so many cells at a time.
    fn train_side_by_side<'a>(
        &self,
        batch: Vec<Item<'a>>,
        jobs: usize,
        waits: bool,
    ) -> Result<Done<'a>, RunError> {
        let jobs = jobs.min(batch.len());
        if jobs == 0 {
            return Ok(Done::default());
        }
        let slots = self.hands.slots(jobs, (self.limits.threads / jobs).max(1))?;
        let todo = Mutex::new(VecDeque::from(batch));
        let done = Mutex::new(Done::default());
        std::thread::scope(|scope| {
            for slot in &slots {
                scope.spawn(|| {
                    // The lock is held for this line alone.
                    while let Some(item) = { locked(&todo).pop_front() } {
                        match self.hands.run(slot, &item) {
                            Ok(StepEnd::Ended(_)) => {}
                            Ok(StepEnd::Elsewhere(_)) if waits => {
                                locked(&todo).push_back(item);
                                std::thread::sleep(POLL);
                            }
                            Ok(StepEnd::Elsewhere(owner)) => {
                                let Item { number, step, .. } = item;
                                let owner = &owner;
                                self.observer.event(&Event::Elsewhere { number, step, owner });
                                locked(&done).elsewhere.push(item);
                                keep_clear(&mut locked(&todo));
                            }
                            Err(RunError::Stopped) => {
                                locked(&done).is_stopped = true;
                                // The others of the batch are not begun.
                                locked(&todo).clear();
                            }
                            Err(error) => {
                                if let Step::Fit(cell) = item.step {
                                    let failure = CellFailure { cell: cell.clone(), error };
                                    locked(&done).failures.push(failure);
                                }
                            }
                        }
                    }
                });
            }
        });
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        if done.is_stopped { Err(RunError::Stopped) } else { Ok(done) }
    }
}

/// Goes on with others of the cells that take as long as the next, half of them further: another worker
/// takes the next ones, and would be met at each of them.
fn keep_clear(todo: &mut VecDeque<Item<'_>>) {
    let todo = todo.make_contiguous();
    let equal = todo.iter().take_while(|item| item.share == todo[0].share).count();
    todo[..equal].rotate_left(equal / 2);
}

/// What became of cells that were to be trained.
#[derive(Default)]
struct Done<'a> {
    failures: Vec<CellFailure>,
    /// Those that other workers train.
    elsewhere: Vec<Item<'a>>,
    /// Whether somebody asked to stop.
    is_stopped: bool,
}

/// Divides items that take estimated times on one thread into those that run side by side, `jobs` at a
/// time, the longest first, and those that run one after the other with all threads: as many of the
/// longest as make the whole shortest. Equal items keep their order.
fn divided<T>(items: Vec<T>, jobs: usize, time: impl Fn(&T) -> f64) -> [Vec<T>; 2] {
    let mut items = longest_first(items, &time);
    let times: Vec<f64> = items.iter().map(time).collect();
    // Several threads work on one item a little worse than each on its own.
    const WIDE: f64 = 1.1;
    let total: f64 = times.iter().sum();
    let (mut alone, mut best, mut wide) = (0.0, side_by_side(&times, jobs), 0);
    for (place, time) in times.iter().enumerate() {
        alone += time;
        // No division of the others could make up for these.
        if (total + (WIDE - 1.0) * alone) / jobs as f64 >= best {
            break;
        }
        let whole = WIDE * alone / jobs as f64 + side_by_side(&times[place + 1..], jobs);
        if whole < best {
            (best, wide) = (whole, place + 1);
        }
    }
    let narrow = items.split_off(wide);
    [narrow, items]
}

/// Items in the order of their times, the longest first; equal ones keep their order.
fn longest_first<T>(items: Vec<T>, time: impl Fn(&T) -> f64) -> Vec<T> {
    let mut timed: Vec<(f64, T)> = items.into_iter().map(|item| (time(&item), item)).collect();
    timed.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    timed.into_iter().map(|(_, item)| item).collect()
}

/// The time until the last of some items ends, each begun, in this order, as soon as one of `jobs`
/// threads is free (Graham 1969, *Bounds on multiprocessing timing anomalies*: with the longest first
/// at most 4/3 of the shortest possible).
pub(crate) fn side_by_side(times: &[f64], jobs: usize) -> f64 {
    let mut ends = vec![0.0_f64; jobs.max(1)];
    for time in times {
        let free = ends.iter_mut().min_by(|one, other| one.total_cmp(other));
        free.into_iter().for_each(|end| *end += time);
    }
    ends.into_iter().fold(0.0, f64::max)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use thaw_spec::{ContentHash, Experiment, Inputs, RunStatus, StepKind};

    use super::*;
    use crate::scripted::cost_facts;
    use crate::{Ending, Silent};

    /// Notes the steps that it is given; the first cell is another worker's when it is first asked for.
    #[derive(Default)]
    struct Noting(Mutex<Vec<(StepKind, usize)>>);

    impl Hands for Noting {
        type Slot = ();

        fn slots(&self, jobs: usize, _: usize) -> Result<Vec<()>, RunError> {
            Ok(vec![(); jobs])
        }

        fn run(&self, (): &(), item: &Item<'_>) -> Result<StepEnd, RunError> {
            let mut noted = locked(&self.0);
            let is_first = noted.iter().all(|(kind, _)| *kind != StepKind::Fit);
            noted.push((item.step.kind(), item.number));
            if is_first && item.step.kind() == StepKind::Fit {
                let owner = r#"{"host": "another", "pid": 1, "since_unix_seconds": 0, "beat_unix_seconds": 0, "space": "", "started": "", "token": ""}"#;
                let owner = serde_json::from_str(owner).expect("an owner");
                return Ok(StepEnd::Elsewhere(owner));
            }
            Ok(StepEnd::Ended(Ending::Trained(RunStatus::Completed)))
        }

        fn memory_bytes(&self, _: &Cell) -> Result<u64, RunError> {
            Ok(1)
        }
    }

    #[test]
    fn a_cell_of_another_worker_is_waited_for_when_all_else_is_done() {
        // Each seed has an artifact of its own, so that each cell is a stage.
        let text = "name = 'stages'\nseeds = [0, 1, 2]\n[dataset]\nsource = 'folder'\n[base]\narchitecture = 'vgg16'\n[procedure]\ncache = 'variants'\naugmentation = 'book'\n";
        let experiment = Experiment::parse("stages.toml", text).expect("an experiment");
        let hash = ContentHash::of_bytes(b"content");
        let classes = vec!["cats".to_owned(), "dogs".to_owned()];
        let inputs = Inputs { dataset: hash.clone(), weights: hash, classes };
        let facts = cost_facts();
        let plan = Plan::new(&experiment.cells(&inputs), &BTreeSet::new(), &facts, |_| false);
        let limits = Limits { threads: 1, jobs: None, memory_bytes: None, repeat: false };
        let hands = Noting::default();
        let schedule = Schedule {
            plan: &plan,
            facts: &facts,
            limits: &limits,
            observer: &Silent,
            hands: &hands,
        };
        assert!(schedule.execute().expect("executed").is_empty());
        let noted = locked(&hands.0);
        let cells: Vec<usize> = noted
            .iter()
            .filter(|(kind, _)| *kind == StepKind::Fit)
            .map(|(_, number)| *number)
            .collect();
        assert!(stages(&plan).len() > 3, "{:?}", plan.steps);
        assert_eq!(cells.len(), 4, "{noted:?}");
        assert_eq!(cells[3], cells[0], "{noted:?}");
        assert_eq!(noted.last().map(|(kind, _)| *kind), Some(StepKind::Fit));
    }

    #[test]
    fn many_run_side_by_side_and_those_that_would_leave_threads_idle_alone() {
        let divide = |times: &[f64], jobs| divided(times.to_vec(), jobs, |time| *time);
        // Two rounds of two.
        assert_eq!(divide(&[1.0; 4], 2), [vec![1.0; 4], vec![]]);
        // The third of three would leave a thread idle.
        assert_eq!(divide(&[1.0; 3], 2), [vec![1.0; 2], vec![1.0]]);
        // One that takes longer than all others together.
        let [narrow, wide] = divide(&[1.0, 2.0, 60.0, 1.0, 2.0], 2);
        assert_eq!((narrow, wide), (vec![2.0, 2.0, 1.0, 1.0], vec![60.0]));
        // As many as a large matrix has, in no time.
        let [narrow, wide] = divide(&[1.0; 20_001], 64);
        assert_eq!((narrow.len(), wide.len()), (19_968, 33));
        // One alone, and none.
        assert_eq!(divide(&[5.0], 2), [vec![], vec![5.0]]);
        assert_eq!(divide(&[], 2), [Vec::<f64>::new(), vec![]]);
    }

    #[test]
    fn the_longest_first_end_together() {
        assert!((side_by_side(&[3.0, 3.0, 2.0, 2.0, 2.0], 2) - 7.0).abs() < 1e-12);
        assert!((side_by_side(&[6.0, 1.0, 1.0, 1.0], 2) - 6.0).abs() < 1e-12);
    }
}
