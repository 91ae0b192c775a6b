//! How is a part of a text taken without a way to fail?

use core::slice::SliceIndex;

/// A part of `text`, nothing if there is none: an index would bring a panic that shows the text, and with it all that
/// formatting a text for a programmer takes, into every image.
pub(crate) fn part(text: &str, range: impl SliceIndex<str, Output = str>) -> &str {
    text.get(range).unwrap_or("")
}
