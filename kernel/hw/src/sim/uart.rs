//! How does a test type into the simulated UART, and read what it sent?
use super::machine::machine;

/// Characters arrive at the receiver, all at once; what does not fit into its FIFO is lost.
pub fn receive(bytes: &[u8]) {
    let machine = machine();
    machine.change_uart(|uart| bytes.iter().for_each(|&byte| uart.receive(byte, machine.now.get())));
}
/// What was sent so far.
pub fn sent() -> Vec<u8> {
    machine().uart.borrow().sent().to_vec()
}
