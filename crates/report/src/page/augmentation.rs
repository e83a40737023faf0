//! The section on what augmentation shows the network.

use maud::{Markup, html};

use super::{ContactSheet, Page, picture};

impl Page<'_> {
    pub(super) fn augmentation(&self) -> Markup {
        html! {
            @match &self.sheet {
                Some(ContactSheet { jpeg, stands_in }) => {
                    (picture(jpeg, "Rows of images: first as it is, then as augmentation shows it in the first epochs.", "First as it is, then as in epochs 1, 2, … of training with the first seed."))
                    @if *stands_in {
                        p class="faint" { "Drawn animals stand in for the photographs of the training. " code { (self.command("report")) " --data FOLDER" } " shows the photographs themselves; they become part of this file." }
                    }
                },
                None => p { "Nothing is augmented." },
            }
        }
    }
}
