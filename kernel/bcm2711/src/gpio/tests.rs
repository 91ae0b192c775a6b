use super::*;

/// BU-05: every pin raises one line, and a line's pins are in a row (BCM2711 ARM Peripherals 5.2, Linux's driver).
#[test]
fn bu_05_a_line_for_each_pin() {
    let groups = |number: u8| {
        (0..GROUPS.len()).filter(move |&n| GROUPS[n][usize::from(number) / 32] & 1_u32 << (number % 32) != 0)
    };
    for number in 0..Pin::COUNT {
        let pin = Pin::new(number).unwrap();
        assert_eq!(groups(number).collect::<Vec<_>>(), [pin.group()], "pin {number}");
        assert_eq!(pin.group(), [28, 46].iter().filter(|&&first| number >= first).count());
    }
    assert!((Pin::COUNT..64).all(|number| groups(number).count() == 0 && Pin::new(number).is_none()));
}
