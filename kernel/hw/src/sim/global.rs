//! Where does a kernel static's value live? In the machine that runs on this host thread.
use super::machine::{Machine, machine};
use corosensei::stack::DefaultStack;
use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::{RefCell, UnsafeCell},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Values of this many bytes are made on a stack of their own.
const LARGE: usize = 16 * 1024;

struct Value {
    at: *mut u8,
    layout: Layout,
}

/// What large values need, kept for the next machine on this host thread: mapping memory costs more than most runs.
#[derive(Default)]
struct Kept {
    blocks: Vec<Value>,
    /// The largest stack that a value was made on.
    stack: Option<(usize, DefaultStack)>,
}
thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Drop for Kept {
    fn drop(&mut self) {
        for value in self.blocks.drain(..) {
            // SAFETY: came from `alloc` with this layout; no machine uses it.
            unsafe { dealloc(value.at, value.layout) }
        }
    }
}

/// One value a kernel static, in the order in which statics were first used in this process.
#[derive(Default)]
pub(super) struct Values(UnsafeCell<Vec<Option<Value>>>);

impl Values {
    #[inline]
    fn get(&self, index: usize) -> Option<*mut u8> {
        // SAFETY: one host thread, and no reference into the vector outlives a call in this file.
        let table = unsafe { &*self.0.get() };
        table.get(index)?.as_ref().map(|value| value.at)
    }
    fn put(&self, index: usize, value: Value) {
        // SAFETY: as above; growing moves the table, not the values.
        let table = unsafe { &mut *self.0.get() };
        if table.len() <= index {
            table.resize_with(index + 1, || None);
        }
        table[index] = Some(value);
    }
    /// The static in which an address lies, and where in it: the same in each machine.
    pub fn find(&self, address: usize) -> Option<(usize, usize)> {
        // SAFETY: as above.
        let table = unsafe { &*self.0.get() };
        table.iter().enumerate().find_map(|(index, value)| {
            let value = value.as_ref()?;
            let offset = address.checked_sub(value.at.addr())?;
            (offset < value.layout.size()).then_some((index, offset))
        })
    }
    /// Gives the memory back without running destructors, which would call into a machine that has ended. So what a
    /// value owns on the heap is leaked, as is what dead contexts owned.
    ///
    /// # Safety
    /// No reference from [`slot`] on this machine is used again.
    pub unsafe fn free(&self) {
        // SAFETY: as above.
        let table = unsafe { &mut *self.0.get() };
        for value in table.drain(..).flatten() {
            if value.layout.size() >= LARGE {
                KEPT.with_borrow_mut(|kept| kept.blocks.push(value));
            } else if value.layout.size() > 0 {
                // SAFETY: came from a `Box` of this layout; the caller vouches for the references.
                unsafe { dealloc(value.at, value.layout) }
            }
        }
    }
}

/// The machine's value of the static that `slot` belongs to, made by `init` on first use. For `Global` only, which has
/// one `T` and one private `slot`.
#[inline]
pub fn slot<T: 'static>(slot: &AtomicUsize, init: fn() -> T) -> &T {
    let machine = machine();
    let at = machine.globals.get(slot.load(Relaxed)).unwrap_or_else(|| create(machine, slot, init));
    // SAFETY: made as a `T` in `create`, since a slot has one type; freed when the machine has ended. Only shared
    // references are given out.
    unsafe { &*at.cast() }
}

#[cold]
#[inline(never)]
fn create<T: 'static>(machine: &Machine, slot: &AtomicUsize, init: fn() -> T) -> *mut u8 {
    // Index 0 is never given out: it stands for "none yet" in every static.
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    if slot.load(Relaxed) == 0 {
        // Another host thread may come first; an index is lost then.
        let _ = slot.compare_exchange(0, NEXT.fetch_add(1, Relaxed), Relaxed, Relaxed);
    }
    let at = if size_of::<T>() < LARGE { Box::into_raw(Box::new(init())).cast::<u8>() } else { create_large(init) };
    machine.globals.put(slot.load(Relaxed), Value { at, layout: Layout::new::<T>() });
    at
}

/// A value passes over the stack on its way to its place, and a large one is larger than a context's.
fn create_large<T: 'static>(init: fn() -> T) -> *mut u8 {
    let layout = Layout::new::<T>();
    let size = 8 * layout.size() + LARGE;
    let (block, stack) = KEPT.with_borrow_mut(|kept| {
        let at = kept.blocks.iter().rposition(|value| value.layout == layout);
        (at.map(|at| kept.blocks.swap_remove(at).at), kept.stack.take_if(|(kept, _)| *kept >= size))
    });
    // SAFETY: the layout is not empty.
    let at = block.unwrap_or_else(|| unsafe { alloc(layout) });
    if at.is_null() {
        handle_alloc_error(layout);
    }
    let mut stack = stack.unwrap_or_else(|| (size, DefaultStack::new(size).expect("memory for a stack")));
    // SAFETY: a block of the layout of `T`, and nobody else's.
    corosensei::on_stack(&mut stack.1, || unsafe { at.cast::<T>().write(init()) });
    KEPT.with_borrow_mut(|kept| {
        if kept.stack.as_ref().is_none_or(|(kept, _)| *kept < stack.0) {
            kept.stack = Some(stack);
        }
    });
    at
}
