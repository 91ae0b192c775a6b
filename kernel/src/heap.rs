//! Where does `Box::new` get memory, and who may call it?
//!
//! Two heaps behind one sleeping lock, whose owner inherits the priority of those who wait for it (CX-07.3). What boot and
//! set-up allocate stays for ever and comes from a simple list; what threads allocate while the system runs comes from a
//! two-level segregated fit, O(1). Memory goes back to where it came from.
//!
//! Allocating may sleep, so it is for threads: in a hard interrupt it is a BUG; in any other atomic section it warns and
//! fails (CX-07). Interrupt paths use fixed pools.
use crate::{
    context_check,
    cx::ThreadCx,
    preempt, report,
    sync::rtmutex::{Class, RtMutex},
};
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::{NonNull, null_mut},
};
use hw::atomic::{AtomicBool, Ordering::Relaxed};
use linked_list_allocator::Heap as ListHeap;
use rlsf::Tlsf;

/// First-level classes: blocks up to 2^(5 + 24) bytes; second level: 16 each, so at most 1/16 is lost.
type Running = Tlsf<'static, u32, u16, 24, 16>;

struct Heaps {
    setup: ListHeap,
    running: Running,
    running_bytes: usize,
    running_used: usize,
}

struct Kernel {
    heaps: UnsafeCell<Heaps>,
    lock: RtMutex,
    /// Threads run: the lock is needed, the running heap serves.
    threads: AtomicBool,
    /// Set-up is over.
    set_up: AtomicBool,
}
// SAFETY: `heaps` is used by the boot CPU alone until `threads`, and under `lock` from then on.
unsafe impl Sync for Kernel {}

#[global_allocator]
static HEAP: Kernel = Kernel {
    heaps: UnsafeCell::new(Heaps {
        setup: ListHeap::empty(),
        running: Running::new(),
        running_bytes: 0,
        running_used: 0,
    }),
    lock: RtMutex::new(Class::Mutex),
    threads: AtomicBool::new(false),
    set_up: AtomicBool::new(false),
};

/// Gives memory to the heaps: `bytes` from `start` on for boot, the other ranges for running threads.
///
/// # Safety
/// Mapped RAM that belongs to nobody. Once, before the first allocation.
pub(crate) unsafe fn start(start: usize, bytes: usize, others: impl Iterator<Item = (usize, usize)>) {
    // SAFETY: nobody allocates yet.
    let heaps = unsafe { &mut *HEAP.heaps.get() };
    // SAFETY: the caller's promise.
    unsafe { heaps.setup.init(start as *mut u8, bytes) };
    for (start, end) in others {
        if let Some(range) = NonNull::new(core::ptr::slice_from_raw_parts_mut(start as *mut u8, end - start)) {
            // SAFETY: as above.
            heaps.running_bytes += unsafe { heaps.running.insert_free_block_ptr(range) }.map_or(0, |n| n.get());
        }
    }
}
/// From now on several threads allocate.
pub(crate) fn threads_run() {
    HEAP.threads.store(true, Relaxed);
}
/// From now on allocations come from the running heap.
pub(crate) fn set_up_done() {
    HEAP.set_up.store(true, Relaxed);
}

/// Bytes of a heap.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// All.
    pub total: usize,
    /// In use.
    pub used: usize,
}
/// Usage of the set-up heap and of the running heap.
pub fn usage(cx: &mut ThreadCx) -> (Usage, Usage) {
    let _ = cx;
    with(|heaps| {
        (
            Usage { total: heaps.setup.size(), used: heaps.setup.used() },
            Usage { total: heaps.running_bytes, used: heaps.running_used },
        )
    })
}

/// Whether the heap may be used here; says what is wrong if not.
fn allowed(what: &str) -> bool {
    if !HEAP.threads.load(Relaxed) || context_check::may_block() {
        return true;
    }
    if preempt::context::in_hardirq() {
        report::bug!("heap {} in a hard interrupt", what);
    }
    report::warn!("heap {} in atomic context, preempt count {:#x}", what, preempt::context::preempt_count());
    false
}

fn with<R>(f: impl FnOnce(&mut Heaps) -> R) -> R {
    if !HEAP.threads.load(Relaxed) {
        // SAFETY: the boot CPU alone.
        return f(unsafe { &mut *HEAP.heaps.get() });
    }
    // `allowed` found that waiting is possible here; in a section of a spinlock or a reader it keeps the state.
    if !HEAP.lock.try_fast() {
        HEAP.lock.lock_keeping_state();
    }
    // SAFETY: the lock is held.
    let result = f(unsafe { &mut *HEAP.heaps.get() });
    HEAP.lock.unlock();
    result
}

// SAFETY: blocks come from the two heaps, which keep their own books, and go back to the one whose range they are in.
unsafe impl GlobalAlloc for Kernel {
    // Not inlined: it is called in hundreds of places, none of them hot.
    #[inline(never)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !allowed("allocation") {
            return null_mut();
        }
        with(|heaps| {
            let running = HEAP.set_up.load(Relaxed);
            let from_setup =
                |heaps: &mut Heaps| heaps.setup.allocate_first_fit(layout).map_or(null_mut(), NonNull::as_ptr);
            if !running {
                let p = from_setup(heaps);
                if !p.is_null() {
                    return p;
                }
            }
            match heaps.running.allocate(layout) {
                Some(p) => {
                    heaps.running_used += layout.size();
                    p.as_ptr()
                }
                None => null_mut(),
            }
        })
    }
    #[inline(never)]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // Giving memory back in a section that forbids it is reported; the block is lost rather than the books.
        if !allowed("free") {
            return;
        }
        let Some(p) = NonNull::new(p) else { return };
        with(|heaps| {
            if heaps.setup.bottom() <= p.as_ptr() && p.as_ptr() < heaps.setup.top() {
                // SAFETY: allocated from this heap with this layout.
                unsafe { heaps.setup.deallocate(p, layout) };
            } else {
                heaps.running_used -= layout.size();
                // SAFETY: allocated from this heap with this alignment.
                unsafe { heaps.running.deallocate(p, layout.align()) };
            }
        });
    }
}
