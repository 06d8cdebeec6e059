//! The screen on which output is drawn.

use std::collections::VecDeque;

use super::escapes::{self, Control};
use super::{COLUMNS_MAX, ROWS_MAX, Run, Style};

#[derive(Debug, Clone, Copy)]
struct Cell {
    character: char,
    style: Style,
}

const BLANK: Cell = Cell {
    character: ' ',
    style: Style {
        ink: None,
        ground: None,
        bold: false,
        faint: false,
        italic: false,
        underlined: false,
        inverse: false,
    },
};

#[derive(Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// It goes on with the row before: there is no line break between them.
    goes_on: bool,
    /// Something was drawn over or erased, so that blanks at its end are nothing that somebody wrote.
    was_redrawn: bool,
}

/// Rows that can be drawn over, and what stands above them for good.
pub(super) struct Screen {
    above: Vec<Run>,
    /// At least one.
    rows: VecDeque<Row>,
    row: usize,
    column: usize,
    /// The row at which the screen begins that was cleared or is drawn by places; `None` until one is.
    top: Option<usize>,
    style: Style,
    kept: (usize, usize),
    /// Cells that may still be filled or moved without being written.
    budget: usize,
}

impl Screen {
    /// A screen for an output of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            above: Vec::new(),
            rows: VecDeque::from([Row::default()]),
            row: 0,
            column: 0,
            top: None,
            style: Style::default(),
            kept: (0, 0),
            budget: bytes.saturating_mul(4) + (64 << 10),
        }
    }

    pub(super) fn take(&mut self, piece: &Control<'_>) {
        match *piece {
            Control::Text(text) => text.chars().for_each(|character| self.write(character)),
            Control::LineBreak => {
                self.row += 1;
                self.column = 0;
                self.reach();
            }
            Control::Return { .. } => {
                self.column = 0;
                while self.rows[self.row].goes_on && self.row > 0 {
                    self.row -= 1;
                }
            }
            Control::Back => self.column = self.column.saturating_sub(1),
            Control::Sequence { last: b'7', is_short: true, .. } => self.kept = (self.row, self.column),
            Control::Sequence { last: b'8', is_short: true, .. } => self.to(self.kept.0, self.kept.1),
            Control::Sequence { last: b'M', is_short: true, .. } => self.row = self.row.saturating_sub(1),
            Control::Sequence { is_short: true, .. } => {}
            Control::Sequence { numbers, last, .. } => self.obey(numbers, last),
        }
    }

    /// What stands there in the end.
    pub(super) fn end(mut self) -> Vec<Run> {
        while !self.rows.is_empty() {
            self.settle_first();
        }
        self.above
    }

    fn obey(&mut self, numbers: &str, last: u8) {
        let number = |place: usize, default: usize| {
            let given = numbers.split(';').nth(place).and_then(escapes::number).filter(|number| *number > 0);
            given.map_or(default, |number| number as usize).min(COLUMNS_MAX)
        };
        match last {
            // What begins with a sign is a setting of the terminal.
            _ if numbers.starts_with(['?', '<', '=', '>']) => {}
            b'm' => self.style.set(numbers),
            b'K' => self.erase_in_row(number(0, 0)),
            b'J' => self.erase_in_screen(number(0, 0)),
            b'G' | b'`' => self.column = number(0, 1) - 1,
            b'A' => self.to(self.row.saturating_sub(number(0, 1)), self.column),
            b'B' => self.to(self.row + number(0, 1), self.column),
            b'C' => self.column = (self.column + number(0, 1)).min(COLUMNS_MAX - 1),
            b'D' => self.column = self.column.saturating_sub(number(0, 1)),
            b'E' => self.to(self.row + number(0, 1), 0),
            b'F' => self.to(self.row.saturating_sub(number(0, 1)), 0),
            b'H' | b'f' => self.place(number(0, 1) - 1, number(1, 1) - 1),
            b'd' => self.place(number(0, 1) - 1, self.column),
            b's' => self.kept = (self.row, self.column),
            b'u' => self.to(self.kept.0, self.kept.1),
            b'P' => self.delete(number(0, 1)),
            b'X' => self.blank(self.column, self.column + number(0, 1)),
            _ => {}
        }
    }

    /// To a row that is there, and a column.
    fn to(&mut self, row: usize, column: usize) {
        self.row = row.min(self.rows.len() - 1);
        self.column = column;
    }

    /// To a place of a screen that is drawn by places.
    fn place(&mut self, row: usize, column: usize) {
        let top = self.top();
        self.row = top + row.min(ROWS_MAX / 2);
        self.column = column;
        self.reach();
    }

    /// Where the screen begins that is drawn by places: below what is there, if there is none yet.
    fn top(&mut self) -> usize {
        if let Some(top) = self.top {
            return top;
        }
        let is_empty = self.rows.back().is_none_or(|row| row.cells.is_empty());
        self.row = self.rows.len() - usize::from(is_empty);
        self.reach();
        self.top = Some(self.row);
        self.row
    }

    /// Makes rows up to the one that is drawn in, and settles those that are too far above it.
    fn reach(&mut self) {
        while self.row >= self.rows.len() {
            self.rows.push_back(Row::default());
            if self.rows.len() > ROWS_MAX {
                self.settle_first();
            }
        }
    }

    fn write(&mut self, character: char) {
        if self.column >= COLUMNS_MAX {
            self.row += 1;
            self.column = 0;
            self.reach();
            self.rows[self.row].goes_on = true;
        }
        let cell = Cell { character, style: self.style };
        let missing = self.column.saturating_sub(self.rows[self.row].cells.len());
        if missing > self.budget {
            self.column = self.rows[self.row].cells.len();
        } else {
            self.budget -= missing;
        }
        let row = &mut self.rows[self.row];
        row.cells.resize(row.cells.len().max(self.column), BLANK);
        match row.cells.get_mut(self.column) {
            Some(there) => {
                *there = cell;
                row.was_redrawn = true;
            }
            None => row.cells.push(cell),
        }
        self.column += 1;
    }

    fn erase_in_row(&mut self, what: usize) {
        match what {
            0 => self.rows[self.row].cells.truncate(self.column),
            1 => self.blank(0, self.column + 1),
            _ => self.rows[self.row].cells.clear(),
        }
        self.rows[self.row].was_redrawn = true;
    }

    fn erase_in_screen(&mut self, what: usize) {
        match what {
            0 => {
                self.rows[self.row].cells.truncate(self.column);
                self.rows.truncate(self.row + 1);
            }
            1 => {}
            _ => {
                let column = self.column;
                let top = self.top();
                self.rows.truncate(top + 1);
                self.rows[top] = Row::default();
                self.to(top, column);
            }
        }
    }

    /// Puts blanks into places that are there.
    fn blank(&mut self, from: usize, to: usize) {
        let row = &mut self.rows[self.row];
        row.was_redrawn = true;
        let to = to.min(row.cells.len());
        if from < to && to - from <= self.budget {
            self.budget -= to - from;
            row.cells[from..to].fill(BLANK);
        }
    }

    /// Takes characters out, and what follows them nearer.
    fn delete(&mut self, count: usize) {
        let row = &mut self.rows[self.row];
        row.was_redrawn = true;
        let to = (self.column + count).min(row.cells.len());
        if self.column < to && row.cells.len() - self.column <= self.budget {
            self.budget -= row.cells.len() - self.column;
            row.cells.drain(self.column..to);
        }
    }

    /// Moves the first row to what stands for good.
    fn settle_first(&mut self) {
        let Some(mut first) = self.rows.pop_front() else { return };
        self.row = self.row.saturating_sub(1);
        self.kept.0 = self.kept.0.saturating_sub(1);
        self.top = self.top.map(|top| top.saturating_sub(1));
        while first.was_redrawn
            && first.cells.last().is_some_and(|cell| cell.character == ' ' && cell.style == Style::default())
        {
            first.cells.pop();
        }
        for cell in first.cells {
            self.append(cell);
        }
        if self.rows.front().is_some_and(|next| !next.goes_on) {
            self.append(Cell { character: '\n', style: Style::default() });
        }
    }

    fn append(&mut self, cell: Cell) {
        match self.above.last_mut() {
            Some(run) if run.style == cell.style || cell.character == '\n' => run.text.push(cell.character),
            Some(_) | None => self.above.push(Run { style: cell.style, text: cell.character.to_string() }),
        }
    }
}
