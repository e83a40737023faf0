//! Python's pickle, read as data: every opcode of the protocols 0 to 5 is interpreted
//! (<https://docs.python.org/3/library/pickletools.html>), and nothing is executed. A call becomes a
//! record of what would have been called with what.

use std::collections::HashMap;

/// Place of a value among those of its pickle. Values refer to each other by place, so that what is
/// shared is kept once, however often it is named.
pub(super) type Place = usize;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// What says nothing of tensors: none, true and false, floats, bytes.
    Opaque,
    Whole(i64),
    Text(String),
    /// A tuple, list or set.
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    /// Something of a module: a class or a function.
    Global {
        name: String,
    },
    /// What a call would have made, or an object of a class, with the state and the items that it was
    /// given.
    Made {
        function: Place,
        arguments: Place,
        state: Option<Place>,
        items: Vec<(Place, Place)>,
        elements: Vec<Place>,
    },
    /// What lies outside of the pickle, by its id.
    Persistent(Place),
}

/// The values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    values: Vec<Value>,
    /// The value that the pickle is of.
    pub(super) root: Place,
}

/// Values that a pickle may have; those of the largest checkpoints have some hundred thousand.
const MOST_VALUES: usize = 50_000_000;

/// Entries that may be copied; PyTorch's files copy none.
const MOST_COPIED: usize = 1_000_000;

impl Pickle {
    /// Number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn value(&self, place: Place) -> &Value {
        &self.values[place]
    }

    /// A text.
    pub(super) fn text(&self, place: Place) -> Option<&str> {
        match self.value(place) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, place: Place) -> Option<usize> {
        match self.value(place) {
            Value::Whole(number) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The members of a tuple or list.
    pub(super) fn list(&self, place: Place) -> Option<&[Place]> {
        match self.value(place) {
            Value::List(members) => Some(members),
            _ => None,
        }
    }

    /// The entries of a dictionary, ordered or not.
    pub(super) fn entries(&self, place: Place) -> Option<&[(Place, Place)]> {
        match self.value(place) {
            Value::Dict(entries) => Some(entries),
            Value::Made { function, items, .. }
                if !items.is_empty()
                    || matches!(self.global(*function), Some("OrderedDict" | "defaultdict")) =>
            {
                Some(items)
            }
            _ => None,
        }
    }

    /// The name of a class or function, without its module.
    pub(super) fn global(&self, place: Place) -> Option<&str> {
        match self.value(place) {
            Value::Global { name } => Some(name),
            _ => None,
        }
    }

    /// Reads one pickle, and how many bytes it takes.
    pub(super) fn read(bytes: &[u8]) -> Result<(Self, usize), String> {
        let mut reader = Reader {
            bytes,
            at: 0,
            pickle: Self::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            copied: 0,
        };
        while reader.step()? {}
        reader.pickle.root = reader.pop()?;
        Ok((reader.pickle, reader.at))
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    pickle: Pickle,
    stack: Vec<Place>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<usize, Place>,
    /// Entries that were copied from one dictionary to another.
    copied: usize,
}

const ENDS: &str = "it ends in the middle";

impl<'a> Reader<'a> {
    /// One opcode; false after the last.
    fn step(&mut self) -> Result<bool, String> {
        let [opcode] = self.array()?;
        match opcode {
            b'.' => return Ok(false),
            0x80 => self.skip(1)?,
            0x95 => self.skip(8)?,
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.above_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' | 0x88 | 0x89 => self.push(Value::Opaque)?,
            b'K' => {
                let [number] = self.array()?;
                self.push(Value::Whole(i64::from(number)))?;
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Whole(i64::from(number)))?;
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Whole(i64::from(number)))?;
            }
            b'I' | b'L' => {
                let value = match self.line()?.trim_end_matches('L') {
                    "00" | "01" => Value::Opaque,
                    digits => digits.parse().map_or(Value::Opaque, Value::Whole),
                };
                self.push(value)?;
            }
            0x8a | 0x8b => {
                let length = if opcode == 0x8a { self.length::<1>()? } else { self.length::<4>()? };
                let digits = self.take(length)?;
                let value = long(digits);
                self.push(value)?;
            }
            b'F' => {
                self.line()?;
                self.push(Value::Opaque)?;
            }
            b'G' => {
                self.skip(8)?;
                self.push(Value::Opaque)?;
            }
            b'S' | b'V' => {
                let text = self.line()?;
                let text = text
                    .strip_prefix(['\'', '"'])
                    .and_then(|text| text.strip_suffix(['\'', '"']))
                    .unwrap_or(text)
                    .to_owned();
                self.push(Value::Text(text))?;
            }
            b'X' => self.text::<4>()?,
            b'T' => self.text::<4>()?,
            b'U' | 0x8c => self.text::<1>()?,
            0x8d => self.text::<8>()?,
            b'B' => self.raw::<4>()?,
            b'C' => self.raw::<1>()?,
            0x8e | 0x96 => self.raw::<8>()?,
            b']' | b')' | 0x8f => self.push(Value::List(Vec::new()))?,
            b'}' => self.push(Value::Dict(Vec::new()))?,
            b'l' | b't' | 0x91 => {
                let members = self.above_mark()?;
                self.push(Value::List(members))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or(ENDS)?;
                let members = self.stack.split_off(start);
                self.push(Value::List(members))?;
            }
            b'd' => {
                let members = self.above_mark()?;
                self.push(Value::Dict(pairs(&members)))?;
            }
            b'a' => {
                let member = self.pop()?;
                self.append(vec![member])?;
            }
            b'e' | 0x90 => {
                let members = self.above_mark()?;
                self.append(members)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let members = self.above_mark()?;
                self.set(pairs(&members))?;
            }
            b'c' => {
                self.line()?;
                let name = self.line()?.to_owned();
                self.push(Value::Global { name })?;
            }
            0x93 => {
                let name = self.pop()?;
                self.pop()?;
                let name = self.pickle.text(name).unwrap_or_default().to_owned();
                self.push(Value::Global { name })?;
            }
            0x82..=0x84 => {
                self.skip(1 << (opcode - 0x82))?;
                self.push(Value::Global { name: "an extension".to_owned() })?;
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.make(function, arguments)?;
            }
            0x92 => {
                self.pop()?;
                let arguments = self.pop()?;
                let function = self.pop()?;
                self.make(function, arguments)?;
            }
            b'i' => {
                self.line()?;
                let name = self.line()?.to_owned();
                let members = self.above_mark()?;
                self.push(Value::List(members))?;
                let arguments = self.pop()?;
                self.push(Value::Global { name })?;
                let function = self.pop()?;
                self.make(function, arguments)?;
            }
            b'o' => {
                let mut members = self.above_mark()?;
                if members.is_empty() {
                    return Err(ENDS.to_owned());
                }
                let function = members.remove(0);
                self.push(Value::List(members))?;
                let arguments = self.pop()?;
                self.make(function, arguments)?;
            }
            b'b' => {
                let given = self.pop()?;
                let object = self.top()?;
                match &mut self.pickle.values[object] {
                    Value::Made { state, .. } => *state = Some(given),
                    Value::Dict(entries) => {
                        let entries_before = std::mem::take(entries);
                        let added =
                            self.pickle.entries(given).map(<[_]>::to_vec).unwrap_or_default();
                        self.copied += added.len() + entries_before.len();
                        self.check_size()?;
                        self.pickle.values[object] = Value::Dict([entries_before, added].concat());
                    }
                    _ => {}
                }
            }
            b'P' => {
                let id = self.line()?.to_owned();
                self.push(Value::Text(id))?;
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id))?;
            }
            b'p' | b'g' => {
                let number =
                    self.line()?.parse().map_err(|_| "a place in its memory is no number")?;
                self.remember(opcode == b'p', number)?;
            }
            b'q' | b'h' => {
                let number = self.length::<1>()?;
                self.remember(opcode == b'q', number)?;
            }
            b'r' | b'j' => {
                let number = self.length::<4>()?;
                self.remember(opcode == b'r', number)?;
            }
            0x94 => self.remember(true, self.memo.len())?,
            0x97 => self.push(Value::Opaque)?,
            0x98 => {}
            unknown => {
                return Err(format!(
                    "it has an opcode {unknown:#04x}, which Python's pickle does not know"
                ));
            }
        }
        Ok(true)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(length).ok_or(ENDS)?;
        let taken = self.bytes.get(self.at..end).ok_or(ENDS)?;
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), String> {
        self.take(length).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| ENDS.to_owned())
    }

    /// A length of so many bytes.
    fn length<const N: usize>(&mut self) -> Result<usize, String> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(self.take(N)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| ENDS.to_owned())
    }

    fn text<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.push(Value::Text(text))
    }

    fn raw<const N: usize>(&mut self) -> Result<(), String> {
        let length = self.length::<N>()?;
        self.skip(length)?;
        self.push(Value::Opaque)
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n').ok_or(ENDS)?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length])
            .map(|line| line.trim_end_matches('\r'))
            .map_err(|_| "a line of it is no text".to_owned())
    }

    /// Whether it is no larger than a checkpoint's can be.
    fn check_size(&self) -> Result<(), String> {
        if self.pickle.values.len() >= MOST_VALUES || self.copied > MOST_COPIED {
            return Err("it has more values than a checkpoint can have".to_owned());
        }
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.check_size()?;
        self.stack.push(self.pickle.values.len());
        self.pickle.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Place, String> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() == floor {
            Err(ENDS.to_owned())
        } else {
            self.stack.pop().ok_or_else(|| ENDS.to_owned())
        }
    }

    fn top(&self) -> Result<Place, String> {
        self.stack.last().copied().ok_or_else(|| ENDS.to_owned())
    }

    fn above_mark(&mut self) -> Result<Vec<Place>, String> {
        let height = self.marks.pop().filter(|height| *height <= self.stack.len()).ok_or(ENDS)?;
        Ok(self.stack.split_off(height))
    }

    fn make(&mut self, function: Place, arguments: Place) -> Result<(), String> {
        // A dictionary may be made of a list of pairs.
        let first = self.pickle.list(arguments).and_then(|arguments| arguments.first().copied());
        let pairs = first.and_then(|first| self.pickle.list(first)).unwrap_or_default();
        let items = pairs.iter().filter_map(|pair| match self.pickle.list(*pair) {
            Some([key, value]) => Some((*key, *value)),
            _ => None,
        });
        let items: Vec<(Place, Place)> = items.collect();
        self.copied += items.len();
        self.push(Value::Made { function, arguments, state: None, items, elements: Vec::new() })
    }

    fn append(&mut self, members: Vec<Place>) -> Result<(), String> {
        let list = self.top()?;
        if let Value::List(known) | Value::Made { elements: known, .. } =
            &mut self.pickle.values[list]
        {
            known.extend(members);
        }
        Ok(())
    }

    fn set(&mut self, added: Vec<(Place, Place)>) -> Result<(), String> {
        let dictionary = self.top()?;
        if let Value::Dict(entries) | Value::Made { items: entries, .. } =
            &mut self.pickle.values[dictionary]
        {
            entries.extend(added);
        }
        Ok(())
    }

    fn remember(&mut self, puts: bool, number: usize) -> Result<(), String> {
        if puts {
            let top = self.top()?;
            self.memo.insert(number, top);
        } else {
            let known =
                self.memo.get(&number).copied().ok_or("it names a value that is not there")?;
            self.stack.push(known);
        }
        Ok(())
    }
}

/// Keys and values in turn.
fn pairs(members: &[Place]) -> Vec<(Place, Place)> {
    members.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// A number in two's complement, the lowest byte first; one of more than 64 bits is no size of a
/// tensor.
fn long(digits: &[u8]) -> Value {
    if digits.len() > 8 {
        return Value::Opaque;
    }
    let is_negative = digits.last().is_some_and(|last| last & 0x80 != 0);
    let mut wide = [if is_negative { 0xFF } else { 0 }; 8];
    wide[..digits.len()].copy_from_slice(digits);
    Value::Whole(i64::from_le_bytes(wide))
}
