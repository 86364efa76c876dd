//! Structures in messages.

/// Defines a structure whose fields lie in a message as in a C structure: each at its natural
/// alignment, the whole aligned to its largest field.
///
/// The fields are scalars or such structures. The type can be declared for arguments and results.
#[macro_export]
macro_rules! record {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_visibility:vis $field:ident: $kind:ty,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(C)]
        $visibility struct $name {
            $($(#[$field_meta])* $field_visibility $field: $kind,)+
        }

        impl $crate::Plain for $name {
            fn write(self, writer: &mut $crate::Writer) -> $crate::Outcome<()> {
                writer.align(align_of::<Self>());
                $(<$kind as $crate::Plain>::write(self.$field, writer)?;)+
                writer.align(align_of::<Self>());
                Ok(())
            }

            fn read(reader: &mut $crate::Reader) -> $crate::Outcome<Self> {
                reader.align(align_of::<Self>());
                $(let $field = <$kind as $crate::Plain>::read(reader)?;)+
                reader.align(align_of::<Self>());
                Ok(Self { $($field),+ })
            }
        }
    };
}
