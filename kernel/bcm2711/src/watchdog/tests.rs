use super::*;

/// BU-05: the time is in the lower 20 bits, behind the password; 15 s is the most in whole seconds.
#[test]
fn bu_05_how_long_the_watchdog_waits() {
    assert_eq!(seconds(1), Some(0x5a01_0000));
    assert_eq!(seconds(15), Some(0x5a0f_0000));
    for bad in [0, 16, 0x1_0001, u32::MAX] {
        assert_eq!(seconds(bad), None, "{bad}");
    }
}

/// BU-05: what the control register holds besides stays; what it reads where the password goes does not come back.
#[test]
fn bu_05_what_the_watchdog_does_at_the_end() {
    for (now, then) in [(0x102, 0x5a00_0122), (0x0000_0030, 0x5a00_0020), (0xff00_0000, 0x5a00_0020), (!0, 0x5aff_ffef)]
    {
        assert_eq!(armed(now), then, "{now:#x}");
        assert_eq!(armed(then), then);
    }
}

/// BU-05: the watchdog is wound up only if the idle loop has waited since the last look.
#[test]
fn bu_05_the_idle_loop_feeds_the_watchdog() {
    let mut idle = Idle::default();
    let looks = [0, 3, 3, 4, 4, 4].map(|waits| idle.moved(waits));
    assert_eq!(looks, [false, true, false, true, false, false]);
}
