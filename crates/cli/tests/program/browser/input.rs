//! What a reader's hands do to a page: mouse, keyboard, choices and files. Events come from the
//! browser, as those of real devices do, unless it is said otherwise.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::page::Page;

/// Scrolls an element into the window, and finds a place in it and what lies there on top.
const PLACE: &str = r#"(selector, across, down) => {
  const element = document.querySelector(selector);
  if (!element) throw new Error(`no ${selector}`);
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = element.getBoundingClientRect();
  const [x, y] = [box.left + across * box.width, box.top + down * box.height];
  const top = document.elementFromPoint(x, y);
  const hit = top !== null && (element.contains(top) || top.contains(element));
  return { x, y, cover: hit ? null : top === null ? "nothing" : top.outerHTML.slice(0, 200) };
}"#;

/// Chooses an option as a reader does; a closed list of options is drawn by the system, where no
/// page sees mouse or keyboard.
const SELECT: &str = r#"(selector, value) => {
  const list = document.querySelector(selector);
  if (![...list.options].some((option) => option.value === value)) throw new Error(`${selector} has no ${value}`);
  list.focus();
  list.value = value;
  for (const event of ["input", "change"]) list.dispatchEvent(new Event(event, { bubbles: true }));
}"#;

/// A key: its name, its place on the keyboard, its number, and what it writes.
struct Key {
    name: String,
    code: String,
    number: u32,
    text: String,
}

impl Key {
    fn of(name: &str) -> Self {
        let special = |code: &str, number: u32, text: &str| Self {
            name: if text == " " { " ".to_owned() } else { name.to_owned() },
            code: code.to_owned(),
            number,
            text: text.to_owned(),
        };
        match name {
            "Backspace" => special(name, 8, ""),
            "Tab" => special(name, 9, ""),
            "Enter" => special(name, 13, "\r"),
            "Escape" => special(name, 27, ""),
            "Space" => special(name, 32, " "),
            "PageUp" => special(name, 33, ""),
            "PageDown" => special(name, 34, ""),
            "End" => special(name, 35, ""),
            "Home" => special(name, 36, ""),
            "ArrowLeft" => special(name, 37, ""),
            "ArrowUp" => special(name, 38, ""),
            "ArrowRight" => special(name, 39, ""),
            "ArrowDown" => special(name, 40, ""),
            "Delete" => special(name, 46, ""),
            _ => {
                let letter = name.chars().next().filter(|_| name.chars().count() == 1);
                let upper = letter.unwrap_or_else(|| panic!("no key {name}")).to_ascii_uppercase();
                let code = match upper {
                    'A'..='Z' => format!("Key{upper}"),
                    '0'..='9' => format!("Digit{upper}"),
                    _ => String::new(),
                };
                let number = if code.is_empty() { 0 } else { u32::from(upper) };
                special(&code, number, name)
            }
        }
    }
}

/// The bit of a key that is held.
fn modifier(name: &str) -> u32 {
    match name {
        "" => 0,
        "Alt" => 1,
        "Control" => 2,
        "Shift" => 8,
        _ => panic!("{name} cannot be held"),
    }
}

impl Page<'_> {
    /// Moves the mouse to a place in an element: `[0.0, 0.0]` is its upper left corner, `[1.0, 1.0]`
    /// its lower right one.
    #[track_caller]
    pub(crate) fn hover_at(&self, selector: &str, place: [f64; 2]) {
        self.mouse("mouseMoved", self.place_in(selector, place), 0);
        self.settle();
    }

    /// Moves the mouse to the middle of an element.
    #[track_caller]
    pub(crate) fn hover(&self, selector: &str) {
        self.hover_at(selector, [0.5, 0.5]);
    }

    /// Clicks a place in an element.
    #[track_caller]
    pub(crate) fn click_at(&self, selector: &str, place: [f64; 2]) {
        let place = self.place_in(selector, place);
        self.mouse("mouseMoved", place, 0);
        self.mouse("mousePressed", place, 1);
        self.mouse("mouseReleased", place, 1);
        self.settle();
    }

    /// Clicks the middle of an element.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        self.click_at(selector, [0.5, 0.5]);
    }

    /// The coordinates of a place in an element that nothing covers.
    #[track_caller]
    fn place_in(&self, selector: &str, [across, down]: [f64; 2]) -> [f64; 2] {
        let place = self.call(PLACE, &[json!(selector), json!(across), json!(down)]);
        assert_eq!(place["cover"], Value::Null, "{selector} is covered");
        [&place["x"], &place["y"]].map(|coordinate| coordinate.as_f64().expect("a number"))
    }

    #[track_caller]
    fn mouse(&self, kind: &str, [x, y]: [f64; 2], clicks: u32) {
        let mut event = json!({ "type": kind, "x": x, "y": y });
        if clicks > 0 {
            event["button"] = json!("left");
            event["clickCount"] = json!(clicks);
        }
        self.command("Input.dispatchMouseEvent", event);
    }

    /// Presses a key, with others held: `a`, `Enter`, `Shift+Tab`.
    #[track_caller]
    pub(crate) fn press(&self, keys: &str) {
        self.strike(keys);
        self.settle();
    }

    /// Presses a key and does not wait for what the page draws.
    #[track_caller]
    pub(super) fn strike(&self, keys: &str) {
        let (held, name) = match keys {
            "+" => ("", keys),
            keys => keys.rsplit_once('+').unwrap_or(("", keys)),
        };
        let modifiers: u32 = held.split('+').map(modifier).sum();
        let Key { name, code, number, text } = Key::of(name);
        let up = json!({
            "type": "keyUp", "key": name, "code": code, "windowsVirtualKeyCode": number,
            "modifiers": modifiers,
        });
        let mut down = up.clone();
        down["type"] = json!("keyDown");
        // With Alt or Control held a key writes nothing.
        if modifiers & (modifier("Alt") | modifier("Control")) == 0 && !text.is_empty() {
            down["text"] = json!(text);
        }
        self.command("Input.dispatchKeyEvent", down);
        self.command("Input.dispatchKeyEvent", up);
    }

    /// Writes a text into the element that has the focus.
    #[track_caller]
    pub(crate) fn type_text(&self, text: &str) {
        self.command("Input.insertText", json!({ "text": text }));
        self.settle();
    }

    /// Chooses an option of a list by its value, by a script.
    #[track_caller]
    pub(crate) fn select_option(&self, selector: &str, value: &str) {
        self.call(SELECT, &[json!(selector), json!(value)]);
        self.settle();
    }

    /// Gives a file to an input for files, as its dialogue does.
    #[track_caller]
    pub(crate) fn choose_file(&self, selector: &str, file: &Path) {
        let root = self.command("DOM.getDocument", json!({ "depth": 0 }))["root"]["nodeId"].take();
        let found =
            self.command("DOM.querySelector", json!({ "nodeId": root, "selector": selector }));
        let files = json!({ "files": [file], "nodeId": found["nodeId"] });
        self.command("DOM.setFileInputFiles", files);
        self.settle();
    }

    /// Drops a file of a name and a text on an element.
    #[track_caller]
    pub(crate) fn drop_file(&self, selector: &str, name: &str, text: &str) {
        let file = self.browser.connection.borrow().folder().join(name);
        fs::write(&file, text).expect("a file to drop");
        let [x, y] = self.place_in(selector, [0.5, 0.5]);
        let data = json!({ "items": [], "files": [file], "dragOperationsMask": 1 });
        for kind in ["dragEnter", "dragOver", "drop"] {
            let event = json!({ "type": kind, "x": x, "y": y, "data": data });
            self.command("Input.dispatchDragEvent", event);
        }
        self.settle();
    }
}
