//! C8. A lock guards a file that two threads write: whole records, never mixed.

#![expect(clippy::print_stdout, reason = "a program that shows something")]

use std::fs::{self, File};
use std::io::{self, Write};
use std::thread;

use ropewalk::sync::Lock;

const RECORDS: usize = 200;
const LINES: usize = 5;

fn write_records(mut file: &File, lock: &Lock, site: &str) -> io::Result<()> {
    for number in 0..RECORDS {
        let _held = lock.hold().map_err(io::Error::other)?;
        for line in 0..LINES {
            writeln!(file, "{site} {number} line {line}")?;
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("records-{}.txt", std::process::id()));
    let file = File::create(&path)?;
    let lock = Lock::new();
    thread::scope(|scope| {
        let other = scope.spawn(|| write_records(&file, &lock, "b"));
        write_records(&file, &lock, "a")?;
        other.join().unwrap()
    })?;

    let text = fs::read_to_string(&path)?;
    fs::remove_file(&path)?;
    let lines: Vec<&str> = text.lines().collect();
    let record_of = |line: &str| line.split(" line ").next().map(String::from);
    let whole = lines
        .chunks(LINES)
        .filter(|record| record.iter().all(|line| record_of(line) == record_of(record[0])));
    println!("records: {}, whole: {}", lines.len() / LINES, whole.count());
    Ok(())
}
