//! Where the window was when it was last seen, so that it comes back there.

use std::fs;

use serde::{Deserialize, Serialize};

use crate::{AppError, Directories, private_file};

/// How high the part of a window is by which it is taken hold of.
const HANDLE_HEIGHT: i64 = 32;
/// How much of that part has to be on a screen, so that it can be taken hold of.
const HANDLE_WIDTH: i64 = 120;

/// The window's place and size, in the screen's own pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowPlace {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width when it is not maximized.
    pub width: u32,
    /// Its height when it is not maximized.
    pub height: u32,
    /// Whether it fills the screen.
    pub maximized: bool,
}

/// A screen among all that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Its left edge.
    pub x: i32,
    /// Its upper edge.
    pub y: i32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

impl WindowPlace {
    /// The place that was kept last. One that cannot be read is as good as none.
    pub fn load(directories: &Directories) -> Option<Self> {
        let text = fs::read(directories.window_file()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Keeps it for the next start.
    pub fn save(self, directories: &Directories) -> Result<(), AppError> {
        let text = serde_json::to_vec(&self)
            .map_err(|source| AppError::Garbled { what: "the window's place", source })?;
        private_file::write_atomically(&directories.window_file(), &text)
    }

    /// The same as far as these screens have room for it; none when nobody could take hold of it
    /// there, because its screen is gone.
    pub fn on(self, screens: &[Screen]) -> Option<Self> {
        let screen = screens.iter().find(|screen| self.can_be_held_on(screen))?;
        Some(Self {
            width: self.width.min(screen.width),
            height: self.height.min(screen.height),
            ..self
        })
    }

    fn can_be_held_on(self, screen: &Screen) -> bool {
        let [x, y, left, top] = [self.x, self.y, screen.x, screen.y].map(i64::from);
        let [width, across, down] = [self.width, screen.width, screen.height].map(i64::from);
        let seen = (x + width).min(left + across) - x.max(left);
        seen >= HANDLE_WIDTH.min(width) && y >= top && y + HANDLE_HEIGHT <= top + down
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Environment;

    const PLACE: WindowPlace =
        WindowPlace { x: 100, y: 80, width: 1100, height: 720, maximized: false };
    const SCREEN: Screen = Screen { x: 0, y: 0, width: 1920, height: 1080 };

    #[test]
    fn a_place_is_kept_for_the_next_start_and_a_broken_one_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let environment =
            Environment { home: Some(home.path().to_owned()), ..Environment::default() };
        let directories = Directories::find(&environment, None).unwrap();
        directories.create().unwrap();
        assert_eq!(WindowPlace::load(&directories), None);
        let place = WindowPlace { x: -5, maximized: true, ..PLACE };
        place.save(&directories).unwrap();
        assert_eq!(WindowPlace::load(&directories), Some(place));
        fs::write(directories.window_file(), "{\"x\":").unwrap();
        assert_eq!(WindowPlace::load(&directories), None);
    }

    #[test]
    fn a_window_that_can_be_taken_hold_of_comes_back_where_it_was() {
        let beside = Screen { x: -1280, width: 1280, height: 1024, ..SCREEN };
        let places = [
            PLACE,
            WindowPlace { x: 1780, ..PLACE },
            WindowPlace { x: -1200, ..PLACE },
            WindowPlace { y: 1040, ..PLACE },
        ];
        for place in places {
            assert_eq!(place.on(&[SCREEN, beside]), Some(place));
        }
    }

    #[test]
    fn a_window_whose_screen_is_gone_comes_where_the_system_puts_it() {
        let places = [
            WindowPlace { x: -1200, ..PLACE },
            WindowPlace { x: 1900, ..PLACE },
            WindowPlace { y: -200, ..PLACE },
            WindowPlace { y: 1070, ..PLACE },
        ];
        for place in places {
            assert_eq!(place.on(&[SCREEN]), None, "{place:?}");
        }
        assert_eq!(PLACE.on(&[]), None);
    }

    #[test]
    fn a_window_is_no_larger_than_its_screen() {
        let screen = Screen { width: 1024, height: 600, ..SCREEN };
        let smaller = PLACE.on(&[screen]);
        assert_eq!(smaller, Some(WindowPlace { width: 1024, height: 600, ..PLACE }));
    }

    #[test]
    fn a_file_with_numbers_out_of_this_world_puts_nothing_there() {
        let place = WindowPlace { x: i32::MAX, y: i32::MIN, width: u32::MAX, ..PLACE };
        assert_eq!(place.on(&[SCREEN]), None);
    }
}
